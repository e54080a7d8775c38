import type { PageData } from '@mm-lab/mm-core';

/** `PageData` with a bound on its keys. */
export interface BoundedPageData extends PageData {
  /** One more than the largest key. */
  readonly keyCount: number;
  /**
   * The sizes of whole pages found so far. Sizes depend on the contents alone, so a later run may
   * begin with them and compress nothing twice.
   */
  savedSizes(codec: string, blockBytes: number): Uint8Array;
  /**
   * Begins with sizes that `savedSizes` gave of the same contents; a sample is compressed anew.
   *
   * @returns how many they are
   * @throws TraceError TRACE_BAD_OPTION if they are not of these contents
   */
  restoreSizes(codec: string, blockBytes: number, saved: Uint8Array): number;
}
