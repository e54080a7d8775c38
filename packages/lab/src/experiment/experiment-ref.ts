import type { CompareOptions } from '../compare/compare-options.js';

/** Where an experiment comes from: every thread makes its own from this. */
export type ExperimentRef =
  | { readonly kind: 'file'; readonly path: string }
  | { readonly kind: 'compare'; readonly options: CompareOptions };
