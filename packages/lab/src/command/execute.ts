import { join } from 'node:path';
import { LabError } from '../error/lab-error.js';
import type { Params } from '../experiment/experiment.js';
import type { ExperimentRef } from '../experiment/experiment-ref.js';
import {
  loadRunnable,
  type NamedExperiment,
  type NamedProbe,
} from '../experiment/load-experiment.js';
import { runProbe } from '../probe/run-probe.js';
import { liveDisplay } from '../progress/live-display.js';
import { plainDisplay } from '../progress/plain-display.js';
import type { TaskDisplay } from '../progress/task.js';
import { commitOfLab } from '../results/commit.js';
import { resultsText } from '../results/results.js';
import { RunFolder, type RunTarget } from '../results/run-folder.js';
import { probeFilesOf } from '../results/write-probe.js';
import { type RunContents, runFilesOf } from '../results/write-run.js';
import { paramsWith } from '../run/figure-runner.js';
import { runExperiment } from '../run/run-experiment.js';
import { EXIT } from './exit.js';
import { withInterrupt } from './interrupt.js';
import { shortPath, summaryOf } from './summary.js';
import { terminalOf } from './terminal-table.js';

/** What `run` and `compare` have in common. */
export interface ExecuteOptions {
  readonly ref: ExperimentRef;
  /** Folder that the workload's relative paths start from. */
  readonly folder: string;
  readonly seed: number | undefined;
  readonly params: Params;
  readonly variants: readonly string[];
  readonly rowsMax: number | undefined;
  readonly out: string | undefined;
  /** Print `results.json` instead of the summary. */
  readonly json: boolean;
}

const RUNS_FOLDER = 'runs';

/**
 * Runs an experiment, leaves its folder and prints the summary.
 *
 * @returns the exit code: 1 if a claim does not hold
 */
export function execute(options: ExecuteOptions): Promise<number> {
  return withInterrupt((signal) => executeUntil(options, signal));
}

async function executeUntil(options: ExecuteOptions, signal: AbortSignal): Promise<number> {
  const found = await loadRunnable(options.ref);
  const seed = options.seed ?? found.seed;
  const params = paramsWith(found.params, options.params);
  const folder = RunFolder.create(targetOf(options.out, `${found.name}-${seed}`));
  try {
    const chosen = { seed, params, signal };
    const files =
      found.kind === 'mm-lab probe'
        ? await probeFiles(found, options, chosen)
        : await experimentFiles(found, options, chosen);
    for (const [name, content] of Object.entries(files.contents)) folder.write(name, content);
    const path = folder.commit();
    const { results } = files.run;
    if (options.json) process.stdout.write(resultsText(results));
    else process.stdout.write(`${summaryOf(files.run, terminalOf(process.stdout))}\n`);
    tell(options, `report  ${shortPath(join(path, 'report.html'))}`);
    return results.claims.every(({ holds }) => holds) ? EXIT.ok : EXIT.failure;
  } finally {
    folder.discard();
  }
}

interface Chosen {
  readonly seed: number;
  readonly params: Params;
  readonly signal: AbortSignal;
}

async function experimentFiles(
  experiment: NamedExperiment,
  options: ExecuteOptions,
  { seed, params, signal }: Chosen,
): Promise<RunContents> {
  const display = displayFor(options);
  const run = await runExperiment({ ...options, experiment, seed, params, display, signal });
  return runFilesOf({ experiment, seed, params, run, commit: commitOfLab() });
}

/** @throws LabError OPTION_BAD if variants or rows are chosen: a probe has none */
async function probeFiles(
  probe: NamedProbe,
  options: ExecuteOptions,
  { seed, params }: Chosen,
): Promise<RunContents> {
  if (options.variants.length > 0 || options.rowsMax !== undefined) {
    throw new LabError('OPTION_BAD', `${probe.name} is a probe: it has no variants and no trace`, {
      hint: 'leave --variant and --rows out',
    });
  }
  const outcome = await runProbe(probe, { seed, params, display: displayFor(options) });
  return probeFilesOf({ probe, seed, params, outcome, commit: commitOfLab() });
}

/** Whole seeds that fit an int32. @throws LabError OPTION_BAD */
export function parseSeed(text: string): number {
  return parseWhole('--seed', text, { min: 0, max: 2 ** 31 - 1 });
}

/** @throws LabError OPTION_BAD unless `text` is a whole number within the bounds */
export function parseWhole(
  option: string,
  text: string,
  bounds: { readonly min: number; readonly max: number },
): number {
  const value = Number(text);
  const isWhole = /^\d+$/.test(text) && value >= bounds.min && value <= bounds.max;
  if (isWhole) return value;
  throw new LabError('OPTION_BAD', `${option} is ${JSON.stringify(text)}`, {
    hint: `give a whole number from ${bounds.min} to ${bounds.max}`,
  });
}

function targetOf(out: string | undefined, stem: string): RunTarget {
  return out === undefined
    ? { kind: 'numbered', parent: RUNS_FOLDER, stem }
    : { kind: 'given', path: out };
}

function displayFor({ json }: ExecuteOptions): TaskDisplay {
  const isLive = process.stdout.isTTY && process.stderr.isTTY && !json && !process.env.CI;
  return isLive ? liveDisplay() : plainDisplay((line) => process.stderr.write(`${line}\n`));
}

function tell({ json }: ExecuteOptions, line: string): void {
  const stream = json ? process.stderr : process.stdout;
  stream.write(`${line}\n`);
}
