import type { CorePages } from './core-pages.js';
import type { SizesTable } from './sizes-table.js';

/**
 * What was recorded of a run's page contents: plain columns in shared memory, so that `postMessage`
 * shares them with worker threads; `capturedPages` makes `PageData` of it on each side.
 */
export interface PageCapture {
  readonly name: string;
  /** A sample of pages of one snapshot. */
  readonly core: CorePages;
  /** Snapshot that the core is of. */
  readonly coreSnap: number;
  /** Compressed sizes of every resident page at each snapshot. */
  readonly sizes: SizesTable;
  /** Progress of the program (0..1) by snapshot, ascending. */
  readonly progress: Float64Array;
}
