import { createToken } from '@mm-lab/mm-core';

/** What a policy may look at when a store asks. */
export interface WriteState {
  readonly nid: number;
  /** Pages of the node that may be stored to now. */
  readonly writablePages: number;
  /** Pages in use on the node. */
  readonly residentPages: number;
}

/**
 * May programs store to pages of a CRAM node in place (RFC v4, "Future CRAM")? Every page that they
 * may store to can turn incompressible without anybody being asked again.
 */
export interface WritePolicy {
  /** May one more page become writable? Otherwise its folio goes back to DRAM. */
  mayWrite(state: WriteState): boolean;
  /**
   * The driver said a pressure.
   * @returns true to take every writable page of the node back
   */
  revokes?(nid: number, pressure: number): boolean;
}
export const WritePolicyToken = createToken<WritePolicy>('WritePolicy');

/** What RFC v4 does: a budget of 0. */
export const neverWritable: WritePolicy = { mayWrite: () => false };
