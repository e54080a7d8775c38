import { LabError } from '../error/lab-error.js';
import { chosenVariants } from '../experiment/chosen-variants.js';
import { type Params, workloadOf } from '../experiment/experiment.js';
import type { FigureRunner, Stats } from '../experiment/figures.js';
import type { WorkloadCache } from '../workload/workload-cache.js';
import type { Limiter } from './limiter.js';
import { runInWorker } from './run-in-worker.js';
import type { RunOptions } from './run-options.js';

/** What an experiment's `figures` function is given. */
export function figureRunner(from: {
  readonly options: RunOptions;
  readonly workloads: WorkloadCache;
  readonly limiter: Limiter;
  readonly say: (line: string) => void;
}): FigureRunner {
  const { options, workloads, limiter, say } = from;
  const { experiment, seed, signal } = options;
  const run = async (variant: string, changed: Params = {}): Promise<Stats> => {
    chosenVariants(experiment, [variant]);
    const params = paramsWith(options.params, changed);
    return limiter.run(async () => {
      signal.throwIfAborted();
      const workload = await workloads.get(workloadOf(experiment, params));
      const job = { experiment: options.ref, variant, seed, params, workload };
      return (await runInWorker(job, { signal })).stats;
    });
  };
  return { seed, params: options.params, run, say };
}

/**
 * Parameters with some changed.
 *
 * @throws LabError OPTION_BAD for one that the experiment does not declare
 */
export function paramsWith(declared: Params, changed: Params): Params {
  for (const [name, value] of Object.entries(changed)) {
    if (!Object.hasOwn(declared, name)) {
      const known = Object.keys(declared).join(', ') || 'none';
      throw new LabError('OPTION_BAD', `the experiment has no parameter ${name}`, {
        hint: `it declares: ${known}`,
      });
    }
    if (!Number.isFinite(value)) {
      throw new LabError('OPTION_BAD', `parameter ${name} is ${value}`, { hint: 'give a number' });
    }
  }
  return { ...declared, ...changed };
}
