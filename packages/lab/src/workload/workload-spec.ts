import type {
  DriftingPagesOptions,
  GeneratorOptions,
  HotColdOptions,
  PhasedOptions,
  SyntheticPagesOptions,
  ZipfOptions,
} from '@mm-lab/workloads';

/** Made-up page contents: of a ratio distribution, or drifting while the program writes. */
export type ContentsSpec =
  | ({ readonly kind: 'synthetic' } & Omit<SyntheticPagesOptions, 'seed'>)
  | ({ readonly kind: 'drifting' } & Omit<DriftingPagesOptions, 'seed'>);

interface WorkloadLimits {
  /** Play the first so many rows. */
  readonly limitRows?: number | undefined;
  /** Play the first part of the rows, 0 < scale ≤ 1. */
  readonly scale?: number | undefined;
}

/** A recorded trace: the name of a shipped one, or paths (relative to the experiment's file). */
export interface TraceWorkload extends WorkloadLimits {
  /**
   * Shipped name (`redis-kv`), or path of a page trace, of its description, or of lackey output.
   */
  readonly trace: string;
  /** ELF core with page contents; needs `sizes`. A shipped trace brings its own. */
  readonly pages?: string | undefined;
  /** Table of compressed sizes per page. */
  readonly sizes?: string | undefined;
  /** JSON description of the recording; default: the one beside the trace. */
  readonly description?: string | undefined;
  /** Address-space events. */
  readonly events?: string | undefined;
  /** Made-up contents instead of recorded ones. */
  readonly contents?: ContentsSpec | undefined;
}

/** The generators and their options; the seed is the experiment's. */
export type GeneratedTrace =
  | { readonly generator: 'zipf'; readonly options: Omit<ZipfOptions, 'seed'> }
  | { readonly generator: 'hot-cold'; readonly options: Omit<HotColdOptions, 'seed'> }
  | { readonly generator: 'phases'; readonly options: Omit<PhasedOptions, 'seed'> }
  | { readonly generator: 'scan'; readonly options: Omit<GeneratorOptions, 'seed'> }
  | { readonly generator: 'uniform'; readonly options: Omit<GeneratorOptions, 'seed'> };

/** A generated workload. */
export type GeneratedWorkload = GeneratedTrace &
  WorkloadLimits & {
    /** Default: `DEFAULT_CONTENTS`. */
    readonly contents?: ContentsSpec | undefined;
  };

/** What the variants of an experiment play. */
export type WorkloadSpec = TraceWorkload | GeneratedWorkload;

/** Contents of a workload that says nothing of them: half the pages shrink to less than 40 %. */
export const DEFAULT_CONTENTS: ContentsSpec = {
  kind: 'synthetic',
  ratio: { kind: 'lognormal', median: 2.5, sigma: 0.5 },
};

/** What is played, as an experiment's functions may know it. */
export interface PlayedWorkload {
  readonly name: string;
  readonly rows: number;
  readonly accesses: number;
  /** Distinct pages. */
  readonly pages: number;
}
