/** Bytes of a page: this package knows 4 KiB pages only. */
export const PAGE_BYTES = 4096;

/** Pages of a core file, ascending by page number; both columns in shared memory. */
export interface CorePages {
  readonly name: string;
  /** Number of pages. */
  readonly pages: number;
  /** Virtual page numbers, ascending. */
  readonly vpns: Float64Array;
  /** `pages * 4096` bytes in the order of `vpns`. */
  readonly bytes: Uint8Array;
}

/** Index of a page in the core, or -1. */
export function coreIndexOf(core: CorePages, vpn: number): number {
  let low = 0;
  let high = core.pages;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (core.vpns[middle]! < vpn) low = middle + 1;
    else high = middle;
  }
  return core.vpns[low] === vpn ? low : -1;
}

/** The 4096 bytes of the page at `index` (a view, not a copy). */
export function coreBytes(core: CorePages, index: number): Uint8Array {
  return core.bytes.subarray(index * PAGE_BYTES, (index + 1) * PAGE_BYTES);
}
