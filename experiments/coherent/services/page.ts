/** docs/services.md: every service as it was run, beside what the specification says. */

import type { BenchOptions, Mechanism } from './bench.ts';
import { MEMORY_SERVICES } from './memory-services.ts';
import { PLACEMENT_SERVICES } from './placement-services.ts';
import { PROGRAM_SERVICES } from './program-services.ts';
import { isAsOrdinary, runService, type ServiceRow, specialSites } from './service.ts';

const SERVICES = [...MEMORY_SERVICES, ...PLACEMENT_SERVICES, ...PROGRAM_SERVICES];

/** Every service on every mechanism. */
export function runServices(): readonly ServiceRow[] {
  return SERVICES.map(runService);
}

/** How many services there are. */
export const SERVICE_COUNT = SERVICES.length;

/** Services that come to the same as on an ordinary node, for one mechanism and its opt-ins. */
export function servicesOf(mechanism: Mechanism, optIn: BenchOptions = {}): number {
  return SERVICES.filter((service) => isAsOrdinary(service, mechanism, optIn)).length;
}

/** Places of mm that say "special" of a mechanism, over all services. */
export function sitesOf(mechanism: Mechanism, optIn: BenchOptions = {}): ReadonlySet<string> {
  return new Set(SERVICES.flatMap((service) => specialSites(service, mechanism, optIn)));
}

/** Services that come to what they come to on an ordinary node, by column: of how many. */
export function servicesHad(rows: readonly ServiceRow[]): {
  readonly of: number;
  readonly had: readonly number[];
} {
  const had = [0, 1, 2, 3].map((column) => {
    // Without an opt-in of its own the node with flags is the node without.
    return rows.filter(({ seen, ordinary }) => (seen[column] ?? seen[column - 1]) === ordinary);
  });
  return { of: rows.length, had: had.map(({ length }) => length) };
}

/** The page. @param rows of `runServices` */
export function servicesPage(rows: readonly ServiceRow[]): string {
  const { of, had } = servicesHad(rows);
  const odd = rows.filter(({ seen, spec }) =>
    seen.some((outcome, at) => differs(outcome, spec[at])),
  );
  return `# What mm does for device memory

Written by \`scripts/generate-docs.mjs\`, which runs each service on each mechanism: do not edit.
The services are in \`experiments/coherent/services/\`, each on a machine of its own where 16 pages
of a program are on the device: DEVICE_PRIVATE and DEVICE_COHERENT with the kernel's HMM test
device, and a node of RFC v4 without flags. The last column is that node with the flag or callback
named, the first one an ordinary node, to show what the service does where nothing is special.

${table([
  [
    'service',
    'ordinary node',
    'DEVICE_PRIVATE',
    'DEVICE_COHERENT',
    'node, no flags',
    'flag',
    'node with it',
  ],
  ...rows.map(({ name, seen, flag, ordinary }) => {
    return [name, ordinary, ...seen.slice(0, 3), flag, seen[3] ?? '–'];
  }),
])}

## How much of it is as on an ordinary node

Of these ${of} services, so many come to the same as on an ordinary node: ${had[0]} on
DEVICE_PRIVATE, ${had[1]} on DEVICE_COHERENT, ${had[2]} on the node without flags, ${had[3]} on the
node with each flag that asks for one. Whether a device wants a service is another question: that a
page is not merged or given to others is what its driver needs.

## Where the run and the specification differ

The specification is the project's reading of Linux 7.3.4 and of RFC v4. Where it is silent, nothing
is compared.

${table([
  ['service', 'specification', 'run', 'why'],
  ...odd.map(({ name, seen, spec, why }) => [
    name,
    spec.map((said) => said ?? '–').join(' / '),
    seen.join(' / '),
    why ?? 'not explained',
  ]),
])}

## What cannot be run here

- Memory that no CPU can address: only DEVICE_PRIVATE has it. A private node's pages are mapped like
  RAM, so it can take the place of DEVICE_COHERENT, not of DEVICE_PRIVATE.
- DAMON: the model has none. It finds pages by frame number through \`pfn_to_online_page\`, which
  knows no page of ZONE_DEVICE; a private node's pages it would see.
`;
}

/** Rows whose run is not what the specification says and that give no reason. */
export function unexplained(rows: readonly ServiceRow[]): readonly string[] {
  return rows
    .filter(({ seen, spec, why }) => {
      return why === undefined && seen.some((outcome, at) => differs(outcome, spec[at]));
    })
    .map(({ name }) => name);
}

function differs(outcome: string, said: string | null | undefined): boolean {
  return said !== null && said !== undefined && said !== outcome;
}

function table(rows: readonly (readonly string[])[]): string {
  const [head = [], ...body] = rows;
  const line = (cells: readonly string[]): string =>
    `| ${cells.map((cell) => cell.replaceAll('|', '\\|')).join(' | ')} |`;
  return [line(head), line(head.map(() => '---')), ...body.map(line)].join('\n');
}
