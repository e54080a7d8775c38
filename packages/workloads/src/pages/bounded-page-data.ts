import type { PageData } from '@mm-lab/mm-core';

/** `PageData` with a bound on its keys. */
export interface BoundedPageData extends PageData {
  /** One more than the largest key. */
  readonly keyCount: number;
}
