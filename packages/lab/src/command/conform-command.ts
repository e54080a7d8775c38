import { availableParallelism } from 'node:os';
import { type Command, Option } from 'commander';
import { BACKENDS, type Backend, type ConformCase } from '../conform/conform-case.js';
import {
  differenceLines,
  familyTable,
  freshLine,
  freshPasses,
  noteLines,
  skipLines,
  totals,
} from '../conform/conform-report.js';
import { findCases } from '../conform/find-cases.js';
import {
  compareWithGaps,
  type KnownGaps,
  readKnownGaps,
  updateKnownGaps,
} from '../conform/known-gaps.js';
import type { Outcome } from '../conform/outcome.js';
import { runCases } from '../conform/pool.js';
import { writeAsked } from '../conform/write-asked.js';
import { LabError } from '../error/lab-error.js';
import { EXIT } from './exit.js';

interface ConformCommandOptions {
  readonly kernel: string;
  readonly backend?: Backend;
  readonly cases?: string;
  readonly family?: readonly string[];
  readonly case?: readonly string[];
  readonly json?: boolean;
  readonly diff?: boolean;
  readonly emit?: string;
  readonly knownGaps?: string;
  readonly updateKnownGaps?: boolean;
}

/** A list of known gaps and where it lies. */
interface List {
  readonly path: string;
  readonly before: KnownGaps;
}

/** The kernel that the model follows. */
const TARGET_KERNEL = '7.3.4';
const THREADS_MAX = 8;
/** A case takes milliseconds; one that fills nodes takes seconds. */
const CASE_MS_MAX = 60_000;

const EXAMPLES = `
PATH is a folder of records (records/7.3.4) or one of its files, a file of cases, a folder with
cases/ and records/<kernel>/, a file of system-call cases, or a folder that holds any of these.

Examples:
  mm-lab conform conformance
  mm-lab conform conformance --family mbind,move_pages
  mm-lab conform conformance --case 'mbind-hole*' --diff
  mm-lab conform conformance --known-gaps conformance/known-gaps.json`;

export function addConformCommand(program: Command, setExitCode: (code: number) => void): void {
  program
    .command('conform')
    .description('hold the model against what real kernels were recorded doing')
    .argument('<path...>', 'where the cases are')
    .option('--kernel <release>', 'whose records to judge by', TARGET_KERNEL)
    .addOption(
      new Option('--backend <name>', "who drives the HMM self-test's device").choices(BACKENDS),
    )
    .option('--cases <dir>', 'folder of the cases that the records answer')
    .option('--family <names>', 'only these, comma-separated', listOf)
    .option(
      '--case <ids>',
      'only these, comma-separated; a star at the end stands for the rest',
      listOf,
    )
    .option('--json', 'print the outcome of every case as JSON')
    .option('--diff', 'print every difference of a case, not just the first')
    .option('--emit <file>', 'write what the model did, a JSON line for each case')
    .option('--known-gaps <file>', 'cases that may fail: fail for others, and for those that pass')
    .option('--update-known-gaps', 'write the list of --known-gaps anew')
    .addHelpText('after', EXAMPLES)
    .action(async (paths: readonly string[], options: ConformCommandOptions) => {
      setExitCode(await conform(paths, options));
    });
}

async function conform(paths: readonly string[], options: ConformCommandOptions): Promise<number> {
  const { kernel, backend, cases: casesFolder } = options;
  const list = gapsOf(options);
  const found = chosen(findCases(paths, { kernel, casesFolder, backend }), options);
  const threads = Math.min(THREADS_MAX, availableParallelism(), Math.ceil(found.length / 4));
  const outcomes = await runCases(found, { threads, caseMsMax: CASE_MS_MAX });
  print(outcomes, options);
  if (options.emit !== undefined) writeAsked('--emit', options.emit, emitted(outcomes));
  return endWith(outcomes, list, options);
}

/** Read before the cases run: they take minutes. @throws LabError CASES_UNREADABLE, OPTION_BAD */
function gapsOf({ knownGaps: path, updateKnownGaps }: ConformCommandOptions): List | undefined {
  if (path !== undefined) return { path, before: readKnownGaps(path) };
  if (updateKnownGaps !== true) return undefined;
  throw new LabError('OPTION_BAD', '--update-known-gaps has no list to write', {
    hint: 'give --known-gaps too',
  });
}

function print(outcomes: readonly Outcome[], { json, diff }: ConformCommandOptions): void {
  if (json === true) {
    const sums = { totals: totals(outcomes), passedOnFreshBoot: freshPasses(outcomes) };
    console.log(JSON.stringify({ ...sums, cases: outcomes }, null, 1));
    return;
  }
  for (const line of differenceLines(outcomes, diff === true)) console.log(line);
  console.log(familyTable(outcomes));
  for (const line of skipLines(outcomes)) console.log(line);
  for (const line of noteLines(outcomes)) console.log(line);
}

/** Prints the last lines. @returns the exit code */
function endWith(
  outcomes: readonly Outcome[],
  list: List | undefined,
  { json, updateKnownGaps: update }: ConformCommandOptions,
): number {
  const say = (line: string): void => {
    if (json !== true) console.log(line);
  };
  let isGood = outcomes.every(({ verdict }) => verdict !== 'failed');
  if (list !== undefined) {
    const { path, before } = list;
    const gaps = update === true ? updateKnownGaps(path, outcomes, before) : before;
    const { unlisted, closed } = compareWithGaps(outcomes, gaps);
    for (const id of unlisted) say(`not a known gap: ${id}`);
    for (const id of closed) say(`a known gap that passes now: ${id}`);
    isGood = unlisted.length + closed.length === 0;
    const listed = outcomes.filter(({ verdict }) => verdict === 'failed').length - unlisted.length;
    if (listed > 0) say(`known gaps: ${listed} of the failed are in ${path}, with reasons`);
  }
  say(freshLine(outcomes));
  say(totals(outcomes));
  return isGood ? EXIT.ok : EXIT.failure;
}

/** @throws LabError CASES_UNREADABLE for a family or an id that no case has */
function chosen(
  cases: readonly ConformCase[],
  { family, case: ids }: ConformCommandOptions,
): readonly ConformCase[] {
  for (const name of family ?? []) {
    if (!cases.some((found) => isOfFamily(name, found.family))) throw unmatched('family', name);
  }
  for (const id of ids ?? []) {
    if (!cases.some((found) => matches(id, found.id))) throw unmatched('id', id);
  }
  const picked = cases.filter(
    (found) =>
      (family === undefined || family.some((name) => isOfFamily(name, found.family))) &&
      (ids === undefined || ids.some((id) => matches(id, found.id))),
  );
  if (picked.length > 0) return picked;
  throw new LabError('CASES_UNREADABLE', 'no case has both that family and that id', {
    hint: 'leave one of --family and --case out',
  });
}

function unmatched(what: 'family' | 'id', name: string): LabError {
  const hint =
    'a star at the end of --case stands for the rest; a run without either lists the families';
  const text = `no case has the ${what} ${JSON.stringify(name)}`;
  return new LabError('CASES_UNREADABLE', text, { hint });
}

function matches(wanted: string, id: string): boolean {
  return wanted.endsWith('*') ? id.startsWith(wanted.slice(0, -1)) : id === wanted;
}

/** A family's name alone is that of both sets; `syscall/mbind` is the one of system calls. */
function isOfFamily(wanted: string, family: string): boolean {
  return family === wanted || family === `syscall/${wanted}`;
}

function listOf(text: string): readonly string[] {
  return text.split(',').map((part) => part.trim());
}

function emitted(outcomes: readonly Outcome[]): string {
  const ran = outcomes.filter(({ steps }) => steps.length > 0);
  return ran.map(({ id, steps }) => `${JSON.stringify({ id, steps })}\n`).join('');
}
