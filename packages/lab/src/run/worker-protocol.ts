import type { Params } from '../experiment/experiment.js';
import type { ExperimentRef } from '../experiment/experiment-ref.js';
import type { LoadedWorkload } from '../workload/loaded-workload.js';
import type { VariantOutcome, VariantProgress } from './variant-outcome.js';

/** What a worker is started with (`workerData`). */
export interface WorkerJob {
  readonly experiment: ExperimentRef;
  readonly variant: string;
  readonly seed: number;
  readonly params: Params;
  /** Its typed arrays lie in SharedArrayBuffers: shared, not copied. */
  readonly workload: LoadedWorkload;
}

/** What a worker says. Its last message is `done` or `failed`. */
export type WorkerMessage =
  | { readonly type: 'progress'; readonly progress: VariantProgress }
  | { readonly type: 'done'; readonly outcome: VariantOutcome }
  | { readonly type: 'failed'; readonly failure: WorkerFailure };

/** An error as data: classes do not survive the crossing. */
export interface WorkerFailure {
  readonly name: string;
  readonly message: string;
  readonly stack: string | undefined;
  /** A user's mistake: one line is enough. */
  readonly expected: boolean;
}

/** An error that a worker reported, with the stack it had there. */
export class WorkerError extends Error {
  readonly expected: boolean;

  constructor(failure: WorkerFailure) {
    super(failure.message);
    this.name = failure.name;
    this.expected = failure.expected;
    if (failure.stack !== undefined) this.stack = failure.stack;
  }
}
