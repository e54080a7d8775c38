import type { Json } from './json.js';

/** One thing that a case wanted and the model did otherwise. */
export interface Finding {
  /** Number and name of the step: `3 touch`. */
  readonly step: string;
  /** Path of the field inside the step's result; empty for all of it. */
  readonly field: string;
  readonly kernel: Json | undefined;
  readonly model: Json | undefined;
  /** Instead of two values: what went wrong. */
  readonly message?: string;
}

/** A step as it was done, in the form of a record. */
export interface StepAnswer {
  readonly op: string;
  readonly result: Json;
}

/** How a case ended. */
export interface Outcome {
  readonly id: string;
  readonly family: string;
  readonly verdict: 'passed' | 'failed' | 'skipped';
  /** Why it was skipped. */
  readonly reason?: string;
  /** What of its machine came from its own record, and so is no evidence. */
  readonly notes?: readonly string[];
  readonly findings: readonly Finding[];
  /** What was done, as far as it came. */
  readonly steps: readonly StepAnswer[];
  /** Wall time. */
  readonly ms: number;
}
