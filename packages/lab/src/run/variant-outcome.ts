import type { CostDescription, SiteCount } from '@mm-lab/mm-core';
import type { Stats } from '../experiment/figures.js';
import type { LatencyHistogram } from '../record/latency.js';
import type { Recording } from '../record/recorder.js';

/** What a variant's worker sends back: plain data, so that it can cross threads. */
export interface VariantOutcome {
  readonly name: string;
  readonly plugins: readonly string[];
  /** With `wall.*`, and every vmstat counter as `vmstat.<name>`. */
  readonly stats: Stats;
  readonly recording: Recording;
  readonly latency: LatencyHistogram;
  readonly sites: readonly SiteCount[];
  readonly costs: readonly CostDescription[];
}

/** Where a run stands. */
export interface VariantProgress {
  readonly row: number;
  readonly rows: number;
  /** Simulated nanoseconds. */
  readonly now: number;
}
