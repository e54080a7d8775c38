/** Pages of one leaf page table: the size of a region. */
export const REGION_PAGES = 512;

/** Bits of a slot that say which page of the region it is. */
export const REGION_SHIFT = 9;

/** One more than the largest virtual page number: 48-bit addresses. */
export const VPN_LIMIT = 2 ** 36;

/** Kind of an access, as kept in `PageTrace.op`. */
export const ACCESS_KIND = {
  /** `I`, instruction fetch. */
  instruction: 0,
  /** `R`, load. */
  read: 1,
  /** `W`, store. */
  write: 2,
  /** `r`, the kernel read the page for a system call. */
  kernelRead: 3,
  /** `w`, the kernel wrote the page. */
  kernelWrite: 4,
} as const;

/** Letters of the kinds, by number. */
export const ACCESS_LETTERS = 'IRWrw';

/**
 * A decoded trace: one row per page accessed in one way within one window. All columns have `rows`
 * elements and lie in SharedArrayBuffers, so that `postMessage` shares them with worker threads
 * instead of copying.
 */
export interface PageTrace {
  readonly name: string;
  readonly rows: number;
  /** Sum of `n` over the rows. */
  readonly accesses: number;
  /** Number of distinct pages. */
  readonly pages: number;
  /** Region numbers (vpn >> 9: which leaf table) by region index, in the order of first use. */
  readonly regions: Float64Array;
  /** Per row `(slot << 1) | isWrite`, where `slot = (regionIndex << 9) | (vpn & 511)`. */
  readonly ref: Int32Array;
  /** Accesses that the row stands for, at least 1. */
  readonly n: Int32Array;
  /** Kind of the row: a number of `ACCESS_KIND`. */
  readonly op: Uint8Array;
  /** Time of the row in instructions (or the source's own unit); never decreases. */
  readonly t: Float64Array;
  /** Times are multiples of this. */
  readonly timeQuantum: number;
}

/** One more than the largest slot of the trace: the size of a table indexed by slot. */
export function slotCount(trace: PageTrace): number {
  return trace.regions.length * REGION_PAGES;
}

/** Virtual page number of a slot (`ref >> 1`); the slot must be one of the trace. */
export function vpnOfSlot(trace: PageTrace, slot: number): number {
  return trace.regions[slot >> REGION_SHIFT]! * REGION_PAGES + (slot & (REGION_PAGES - 1));
}

/** Virtual page number of a row. */
export function vpnOfRow(trace: PageTrace, row: number): number {
  return vpnOfSlot(trace, trace.ref[row]! >> 1);
}
