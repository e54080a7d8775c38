import type { Params } from '../experiment/experiment.js';
import type { ExperimentRef } from '../experiment/experiment-ref.js';
import type { NamedExperiment } from '../experiment/load-experiment.js';
import type { TaskDisplay } from '../progress/task.js';

/** What to run and how to show it. */
export interface RunOptions {
  readonly ref: ExperimentRef;
  readonly experiment: NamedExperiment;
  readonly seed: number;
  readonly params: Params;
  /** Names of the variants to run; all of them if empty. */
  readonly variants: readonly string[];
  /** Play at most so many rows, whatever the experiment says. */
  readonly rowsMax: number | undefined;
  /** Folder that relative paths of the workload start from. */
  readonly folder: string;
  readonly display: TaskDisplay;
  readonly signal: AbortSignal;
}
