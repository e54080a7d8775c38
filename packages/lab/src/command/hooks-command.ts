import { NP_FLAG_FACTS } from '@mm-lab/node-private';
import type { Command } from 'commander';
import { type BackendTour, tourBackends } from '../hooks/backend-tour.js';
import { functionsThatSaidSpecial, type HookMap, hookMap } from '../hooks/hook-map.js';
import { idleCosts } from '../hooks/idle-cost.js';
import { count } from '../progress/count.js';
import { readSites } from '../results/read-run.js';
import type { SitesFile } from '../results/run-files.js';
import { plainTable } from './terminal-table.js';

const EXAMPLES = `
Examples:
  mm-lab hooks
  mm-lab hooks --run runs/compressed-cxl-1-1      calls per site of that run, by variant
  mm-lab hooks --json`;

interface HooksOptions {
  readonly json?: boolean;
  readonly run?: string;
}

export function addHooksCommand(program: Command): void {
  program
    .command('hooks')
    .description('every place in mm that asks about private memory, and the hooks it may end in')
    .option('--run <dir>', 'show how often each place asked in a run, by variant')
    .option('--json', 'print it as JSON')
    .addHelpText('after', EXAMPLES)
    .action(({ json, run }: HooksOptions) => {
      const sites = run === undefined ? undefined : readSites(run);
      const map = hookMap();
      const text = json === true ? jsonOf(map, sites) : textOf(map, sites);
      process.stdout.write(`${text}\n`);
    });
}

function jsonOf(map: HookMap, sites: SitesFile | undefined): string {
  const rest =
    sites === undefined
      ? { idleCosts: idleCosts(), backends: backendsOf(tourBackends()) }
      : { run: sites.variants };
  return JSON.stringify({ ...map, ...rest }, null, 2);
}

function textOf(map: HookMap, sites: SitesFile | undefined): string {
  if (sites !== undefined) return [callsText(sites), '', hookCallsText(sites)].join('\n');
  const tours = tourBackends();
  return [
    `${map.siteCount} sites ask whether a folio or node is special.`,
    `${map.otherSites} of them are not the RFC's (patch 0).`,
    `The others stand for ${map.functionCount} kernel functions.`,
    'RFC: existing functions that its patches 02 to 22 change,',
    `in all ${map.rfcEntries} entries, ${map.rfcFunctions} distinct.`,
    'By backend: functions of the group that said "special" while one program ran, which uses as',
    'many services of mm as it can.',
    '',
    servicesText(map, tours),
    '',
    oneSidedText(map),
    '',
    sitesText(map),
    '',
    callsText({ variants: backendsOf(tours) }),
    '',
    hooksText(map),
    '',
    flagsText(),
    '',
    costText(),
  ].join('\n');
}

/** Tours in the form of a run's variants. */
function backendsOf(tours: readonly BackendTour[]): SitesFile['variants'] {
  return tours.map(({ backend, sites }) => ({ name: backend, sites }));
}

function servicesText(map: HookMap, tours: readonly BackendTour[]): string {
  const { services, siteCount, functionCount, rfcFunctions } = map;
  const rows = services.map(({ service, rfc, functions, sites }) => [
    service,
    ...[sites.length, functions, rfc].map(String),
    ...tours.map((tour) => String(functionsThatSaidSpecial(tour.sites, service))),
  ]);
  const spoke = tours.map(({ sites }) => functionsThatSaidSpecial(sites));
  const total = ['distinct', ...[siteCount, functionCount, rfcFunctions, ...spoke].map(String)];
  const head = ['service', 'sites', 'functions', 'RFC', ...tours.map(({ backend }) => backend)];
  return plainTable(
    head,
    [...rows, total],
    head.map((_, index) => (index === 0 ? 'left' : 'right')),
  );
}

/** Why a group has fewer or more functions than the RFC. */
function oneSidedText({ withoutSite, uncounted }: HookMap): string {
  const rows = [
    ...withoutSite.map(({ kernel, why }) => [kernel, 'only the RFC', why]),
    ...uncounted.map(({ kernel, why }) => [kernel, 'only here', why]),
  ];
  return plainTable(['kernel function', 'counted by', 'why'], rows, ['left', 'left', 'left']);
}

function sitesText({ services }: HookMap): string {
  const rows = services.flatMap(({ sites }) =>
    sites.map(({ kernel, patch, asks, hook }) => [kernel, String(patch), asks, hook ?? '']),
  );
  return plainTable(['kernel function', 'patch', 'asks', 'hook'], rows, [
    'left',
    'right',
    'left',
    'left',
  ]);
}

function hooksText({ hooks }: HookMap): string {
  const rows = hooks.map(({ name, kind, context, absent, patch }) => [
    name,
    String(patch),
    kind,
    context,
    absent,
  ]);
  const head = ['hook', 'patch', 'kind', 'context', 'without it'];
  return plainTable(head, rows, ['left', 'right', 'left', 'left', 'left']);
}

function flagsText(): string {
  const rows = NP_FLAG_FACTS.map(({ name, patch, grants }) => [name, String(patch), grants]);
  return plainTable(['flag', 'patch', 'grants'], rows, ['left', 'right', 'left']);
}

/** What machines without private memory pay; every answer there is no. */
function costText(): string {
  const rows = idleCosts().map(({ event, nodes, gate, all }) => [
    event,
    String(nodes),
    gate.toFixed(2),
    all.toFixed(2),
  ]);
  const head = ['questions without private memory, per', 'nodes', 'gate', 'all sites'];
  return plainTable(head, rows, ['left', 'right', 'right', 'right']);
}

/**
 * Asked, and in parentheses how often the answer was yes. Sites that nobody reached are left out.
 */
function callsText({ variants }: SitesFile): string {
  const names = variants[0]?.sites.map(({ name }) => name) ?? [];
  const rows = names.flatMap((name) => {
    const calls = variants.map(({ sites }) => sites.find((site) => site.name === name));
    if (calls.every((call) => (call?.asked ?? 0) === 0)) return [];
    return [[name, ...calls.map((call) => callText(call?.asked ?? 0, call?.managed ?? 0))]];
  });
  const head = ['site: asked (yes)', ...variants.map(({ name }) => name)];
  return plainTable(
    head,
    rows,
    head.map((_, index) => (index === 0 ? 'left' : 'right')),
  );
}

/** Yes-answers summed over the sites that may end in each hook. */
function hookCallsText({ variants }: SitesFile): string {
  const hooks = [...new Set(variants.flatMap(({ sites }) => sites.map(({ hook }) => hook)))];
  const rows = hooks.flatMap((hook) => {
    if (hook === null) return [];
    const calls = variants.map(({ sites }) =>
      sites.filter((site) => site.hook === hook).reduce((sum, { managed }) => sum + managed, 0),
    );
    return [[hook, ...calls.map(count)]];
  });
  const head = ['hook: reached', ...variants.map(({ name }) => name)];
  return plainTable(
    head,
    rows,
    head.map((_, index) => (index === 0 ? 'left' : 'right')),
  );
}

function callText(asked: number, yes: number): string {
  if (asked === 0) return '–';
  return yes === 0 ? count(asked) : `${count(asked)} (${count(yes)})`;
}
