import { availableParallelism } from 'node:os';
import { setTimeout } from 'node:timers/promises';
import { chosenVariants } from '../experiment/chosen-variants.js';
import { type VariantDefinition, workloadOf } from '../experiment/experiment.js';
import type { Figures } from '../experiment/figures.js';
import { progressBar } from '../progress/bar.js';
import { count } from '../progress/count.js';
import type { Task } from '../progress/task.js';
import type { LoadedWorkload } from '../workload/loaded-workload.js';
import { WorkloadCache } from '../workload/workload-cache.js';
import type { WorkloadSpec } from '../workload/workload-spec.js';
import { figureRunner } from './figure-runner.js';
import { Limiter } from './limiter.js';
import { runInWorker } from './run-in-worker.js';
import type { RunOptions } from './run-options.js';
import type { VariantOutcome, VariantProgress } from './variant-outcome.js';

const SETTLE_MS = 1000;
const UNREF = { ref: false };

/** Everything a run found, in the order of the experiment's variants. */
export interface RunOutcome {
  readonly workload: LoadedWorkload;
  readonly spec: WorkloadSpec;
  readonly outcomes: readonly VariantOutcome[];
  readonly figures: Figures | undefined;
}

/**
 * Loads the workload once, then runs every variant in a worker thread of its own, then the figures.
 *
 * @throws LabError VARIANT_UNKNOWN, WORKLOAD_UNKNOWN, INTERRUPTED …; TraceError; what a
 *   variant threw
 */
export async function runExperiment(given: RunOptions): Promise<RunOutcome> {
  const stop = new AbortController();
  const options = { ...given, signal: AbortSignal.any([given.signal, stop.signal]) };
  const { experiment, params } = options;
  const variants = chosenVariants(experiment, options.variants);
  const workloads = new WorkloadCache(options);
  const outcomes = new Map<string, VariantOutcome>();
  let figures: Figures | undefined;
  const limiter = new Limiter(availableParallelism());
  const groups = [
    {
      parallel: 1,
      tasks: [workloadTask(workloads, workloadOf(experiment, params), options.signal)],
    },
    {
      parallel: availableParallelism(),
      tasks: variants.map((variant) => variantTask(options, { variant, workloads, outcomes })),
    },
  ];
  // A run of some variants is a quick look: no search, and no claims about what did not run.
  if (experiment.figures !== undefined && variants.length === experiment.variants.length) {
    const find = experiment.figures;
    const task: Task = {
      title: 'figures',
      run: async (report) => {
        figures = await find(figureRunner({ options, workloads, limiter, say: report }));
        return `${Object.keys(figures.values).length} found`;
      },
    };
    groups.push({ parallel: 1, tasks: [task] });
  }
  await untilFirstError(options.display(groups), options.signal, stop);
  const spec = workloadOf(experiment, params);
  const workload = await workloads.get(spec);
  return { workload, spec, outcomes: inOrder(variants, outcomes), figures };
}

function workloadTask(workloads: WorkloadCache, spec: WorkloadSpec, signal: AbortSignal): Task {
  return {
    title: 'trace' in spec ? `trace ${spec.trace}` : `workload ${spec.generator}`,
    run: async (report) => {
      const loading = workloads.get(spec, ({ share }) => report(progressBar(share)));
      const { trace } = await Promise.race([loading, rejectionOf(signal)]);
      const { rows, accesses, pages } = trace;
      return `${count(rows)} rows, ${count(accesses)} accesses, ${count(pages)} pages`;
    },
  };
}

function variantTask(
  options: RunOptions,
  run: {
    readonly variant: VariantDefinition;
    readonly workloads: WorkloadCache;
    readonly outcomes: Map<string, VariantOutcome>;
  },
): Task {
  const { name } = run.variant;
  return {
    title: name,
    run: async (report) => {
      const workload = await run.workloads.get(workloadOf(options.experiment, options.params));
      const outcome = await runInWorker(
        {
          experiment: options.ref,
          variant: name,
          seed: options.seed,
          params: options.params,
          workload,
        },
        { signal: options.signal, onProgress: (progress) => report(progressLine(progress)) },
      );
      run.outcomes.set(name, outcome);
      const { 'wall.seconds': seconds = 0, 'wall.accesses_per_second': speed = 0 } = outcome.stats;
      return `${seconds.toFixed(1)} s, ${count(speed)} accesses/s`;
    },
  };
}

function progressLine({ row, rows, now }: VariantProgress): string {
  return `${progressBar(rows === 0 ? 1 : row / rows)}  ${(now / 1e9).toFixed(3)} s simulated`;
}

function inOrder(
  variants: readonly VariantDefinition[],
  outcomes: ReadonlyMap<string, VariantOutcome>,
): readonly VariantOutcome[] {
  return variants.flatMap(({ name }) => outcomes.get(name) ?? []);
}

/** The first variant that fails, and Ctrl-C, stop the workers of all the others. */
async function untilFirstError(
  shown: Promise<void>,
  signal: AbortSignal,
  stop: AbortController,
): Promise<void> {
  try {
    await Promise.race([shown, rejectionOf(signal)]);
  } catch (error) {
    stop.abort(error);
    // The display ends when its tasks have: it may have hidden the cursor.
    await Promise.race([shown.catch(() => undefined), setTimeout(SETTLE_MS, undefined, UNREF)]);
    throw error;
  }
}

/** Never resolves; rejects when the signal is aborted. */
function rejectionOf(signal: AbortSignal): Promise<never> {
  return new Promise((_resolve, reject) => {
    if (signal.aborted) reject(signal.reason);
    signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });
}
