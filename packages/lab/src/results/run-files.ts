import type { CostDescription, MachineConfig, SiteCount } from '@mm-lab/mm-core';
import type { OracleConfig, Params } from '../experiment/experiment.js';
import type { LatencyHistogram } from '../record/latency.js';
import type { SeriesRecord } from '../record/series.js';
import type { PlayedWorkload, WorkloadSpec } from '../workload/workload-spec.js';

/** Names of the files of a run's folder. */
export const RUN_FILES = {
  experiment: 'experiment.json',
  results: 'results.json',
  series: 'series.json',
  sites: 'sites.json',
  trace: 'trace.json',
  report: 'report.html',
} as const;

/** A variant as it ran. */
export interface ResolvedVariant {
  readonly name: string;
  readonly title: string;
  readonly kind: 'machine' | 'oracle';
  readonly bound: boolean;
  readonly machine: MachineConfig;
  readonly oracle?: OracleConfig | undefined;
  readonly plugins: readonly string[];
}

/**
 * Content of `experiment.json`: everything that decided the results, defaults and options filled
 * in.
 */
export interface ResolvedExperiment {
  readonly experiment: string;
  readonly question: string;
  readonly seed: number;
  readonly params: Params;
  /** What was played; a probe plays nothing. */
  readonly workload?: { readonly spec: WorkloadSpec; readonly played: PlayedWorkload } | undefined;
  readonly variants: readonly ResolvedVariant[];
  readonly columns: readonly string[];
  readonly claims: readonly string[];
  /** Every cost the model charged, with its source. */
  readonly costs: readonly CostDescription[];
}

/** One variant in `series.json`. */
export interface VariantSeries {
  readonly name: string;
  readonly series: SeriesRecord;
  readonly latency: LatencyHistogram;
}

/** Content of `series.json`. */
export interface SeriesFile {
  readonly variants: readonly VariantSeries[];
}

/** Content of `sites.json`. */
export interface SitesFile {
  readonly variants: readonly { readonly name: string; readonly sites: readonly SiteCount[] }[];
}
