import { ENOSPC } from '../abi/errno.js';
import { createToken } from '../base/di.js';

/** Why a page of swap is read; a task waits for what it asked for only. */
export type ReadReason = 'asked for' | 'advised' | 'ahead';

/**
 * Where swapped pages go. A backend keeps no contents of its own: which contents a slot holds is
 * known by `Swap`; the backend accounts space and time.
 */
export interface SwapBackend {
  readonly name: string;
  /** Slots of 4 KiB it offers; 0 = no swap. */
  readonly slots: number;
  /** SWP_SYNCHRONOUS_IO: done when the call returns, no swap cache needed afterwards. */
  readonly synchronous: boolean;
  /** A disk that turns: readahead goes by slot instead of address. Not if left out. */
  readonly rotational?: boolean;
  /**
   * Writes the page named `key`; charges its time.
   * @param nid node that the page lies on
   * @returns 0 or -errno
   */
  store(slot: number, key: number, nid: number): number;
  /**
   * Reads it back; charges its time.
   * @param why where nobody waits, a device that is not synchronous charges only what the CPU does
   */
  load(slot: number, why: ReadReason): void;
  /** The slot is free again. */
  free(slot: number): void;
  /** Counters by dotted name. */
  stats(): Readonly<Record<string, number>>;
}
export const SwapBackend = createToken<SwapBackend>('SwapBackend');

/** No swap device. */
export class NoSwap implements SwapBackend {
  readonly name = 'none';
  readonly slots = 0;
  readonly synchronous = true;
  store(): number {
    return -ENOSPC;
  }
  load(): void {}
  free(): void {}
  stats(): Readonly<Record<string, number>> {
    return {};
  }
}
