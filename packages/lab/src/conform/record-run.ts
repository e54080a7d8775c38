import type { Json } from './json.js';
import type { StepAnswer } from './outcome.js';

/** What became of a case's steps. */
export interface RecordRun {
  readonly steps: readonly StepAnswer[];
  /** What of the machine was read from the record itself. */
  readonly notes: readonly string[];
  /** Why the last step was not finished. */
  readonly stopped?: { readonly step: number; readonly op: string; readonly message: string };
}

/** Steps in the form of a record's. */
export function stepsJson(steps: readonly StepAnswer[]): Json {
  return steps.map(({ op, result }) => ({ op, result }));
}
