import type { ContigEffort, PfnRange } from '@mm-lab/mm-core';
import type { TrimCallback } from './balloon.js';

/** A ratio of 1:1, per mille. */
export const RATIO_ONE = 1000;

/** What a balloon keeps of its node. */
export interface BalloonNode {
  readonly nid: number;
  /** Ratio that the driver configured, per mille. */
  readonly zratio: number;
  readonly trim: TrimCallback | null;
  /** Pages of the node when it came. */
  readonly perceived: number;
  /** Pages that the balloon holds, in the order they were taken. */
  readonly held: number[];
  /** Pages that it shall hold. */
  target: number;
  /** Is its worker under way? */
  running: boolean;
  /** Page block that the worker empties now. */
  attempt: PfnRange | null;
  /** Rounds of reclaim in a row that brought nothing. */
  stalled: number;
}

/** One walk over the page blocks of a node. */
export interface BalloonRound {
  /** Pages it shall bring. */
  readonly want: number;
  readonly effort: ContigEffort;
  /** Pages it brought so far. */
  got: number;
}
