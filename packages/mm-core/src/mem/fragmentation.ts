import { MAX_PAGE_ORDER } from '../abi/zone.js';
import { assert } from '../base/assert.js';

/** Number of free blocks of each order, as /proc/buddyinfo lists them: index 0 is order 0. */
export type FreeBlocks = ArrayLike<number>;

/** What the free blocks are worth to a request of some order (struct contig_page_info). */
export interface ContigPageInfo {
  readonly free_pages: number;
  readonly free_blocks_total: number;
  /** Blocks of the wanted order that could be had: a larger block counts as many. */
  readonly free_blocks_suitable: number;
}

/** Answer of `fragmentationIndex` when a block is there: a failure would not be fragmentation's. */
export const FRAGMENTATION_NONE = -1000;

/** Counts pages and suitable blocks (mm/vmstat.c:fill_contig_page_info). */
export function contigPageInfo(free: FreeBlocks, wantedOrder: number): ContigPageInfo {
  let free_pages = 0;
  let free_blocks_total = 0;
  let free_blocks_suitable = 0;
  for (let order = 0; order <= MAX_PAGE_ORDER; order++) {
    const blocks = free[order] ?? 0;
    free_blocks_total += blocks;
    free_pages += blocks * 2 ** order;
    if (order >= wantedOrder) free_blocks_suitable += blocks * 2 ** (order - wantedOrder);
  }
  return { free_pages, free_blocks_total, free_blocks_suitable };
}

/**
 * Percentage of free memory that a request of this order cannot use
 * (mm/vmstat.c:extfrag_for_order).
 *
 * @returns 0..100, rounded down; 0 when nothing is free
 */
export function extfragForOrder(free: FreeBlocks, order: number): number {
  const info = contigPageInfo(free, order);
  if (info.free_pages === 0) return 0;
  return Math.floor((unusablePages(info, order) * 100) / info.free_pages);
}

/**
 * Would a failure of this order be due to fragmentation (towards 1000) or to lack of memory
 * (towards 0)? (mm/vmstat.c:__fragmentation_index)
 *
 * @returns `FRAGMENTATION_NONE` if a block is there, 0 if nothing is free, else 0..1000
 */
export function fragmentationIndex(free: FreeBlocks, order: number): number {
  const info = contigPageInfo(free, order);
  if (info.free_blocks_total === 0) return 0;
  if (info.free_blocks_suitable > 0) return FRAGMENTATION_NONE;
  const requests = Math.floor((info.free_pages * 1000) / 2 ** order);
  return 1000 - Math.floor((1000 + requests) / info.free_blocks_total);
}

/**
 * Share of free memory that a request of this order cannot use (mm/vmstat.c:unusable_free_index,
 * debugfs extfrag/unusable_index).
 *
 * @returns thousandths, 0..1000, rounded down; 1000 when nothing is free
 */
export function unusableFreeIndex(free: FreeBlocks, order: number): number {
  const info = contigPageInfo(free, order);
  if (info.free_pages === 0) return 1000;
  return Math.floor((unusablePages(info, order) * 1000) / info.free_pages);
}

/**
 * The free blocks that the buddy allocator would hold if exactly the pages marked in `isFree` were
 * free: aligned pairs merge up to the largest order.
 *
 * @param isFree one byte per page, 0 or 1; a whole number of largest blocks
 */
export function freeBlockCensus(isFree: Uint8Array): Uint32Array {
  assert(isFree.length % 2 ** MAX_PAGE_ORDER === 0, 'a census covers whole blocks');
  const census = new Uint32Array(MAX_PAGE_ORDER + 1);
  let level = isFree;
  for (let order = 0; order < MAX_PAGE_ORDER; order++) {
    const merged = new Uint8Array(level.length / 2);
    let unmerged = 0;
    for (let at = 0; at < merged.length; at++) {
      const free = level[2 * at]! + level[2 * at + 1]!;
      if (free === 2) merged[at] = 1;
      else unmerged += free;
    }
    census[order] = unmerged;
    level = merged;
  }
  census[MAX_PAGE_ORDER] = level.reduce((sum, free) => sum + free, 0);
  return census;
}

function unusablePages(info: ContigPageInfo, order: number): number {
  return info.free_pages - info.free_blocks_suitable * 2 ** order;
}
