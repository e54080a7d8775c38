import { createToken } from '@mm-lab/mm-core';

/** A folio that came in: where it was, and where it is. */
export interface CameIn {
  readonly folio: number;
  readonly nid: number;
}

/** Which folios may come in to a CRAM node. Those that may not stay with reclaim, which swaps. */
export interface AdmissionFilter {
  /** Asked for each folio of a list before anything moves. @param nid where it would go */
  admits(folio: number, nid: number): boolean;
  /** Folios came in; asked once they are mapped again. */
  cameIn?(folios: readonly CameIn[]): void;
}
export const AdmissionFilterToken = createToken<AdmissionFilter>('AdmissionFilter');

/** What RFC v4 does. */
export const admitAll: AdmissionFilter = { admits: () => true };
