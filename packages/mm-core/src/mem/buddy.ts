import { PG_buddy } from '../abi/page-flags.js';
import { MAX_PAGE_ORDER } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import type { FolioTable } from './folio-table.js';
import { ORDERS, type Zone } from './zone.js';

/** Index of a zone's free list in the folio table's links. */
export function freeList(zone: Zone, order: number): number {
  return zone.index * ORDERS + order;
}

/**
 * Gives `pages` from `base` to the allocator, largest aligned blocks first (memblock_free_all,
 * online_pages).
 */
export function addFreeRange(table: FolioTable, zone: Zone, base: number, pages: number): void {
  const block = 1 << MAX_PAGE_ORDER;
  const end = base + pages;
  const first = Math.ceil(base / block) * block;
  const last = Math.floor(end / block) * block;
  zone.managedPages += pages;
  zone.freePages += pages;
  if (first >= last) {
    addPieces(table, zone, base, end);
    return;
  }
  addPieces(table, zone, base, first);
  addPieces(table, zone, last, end);
  if (zone.untouchedStart === zone.untouchedEnd) {
    zone.untouchedStart = first;
    zone.untouchedEnd = last;
  } else if (zone.untouchedEnd === first) {
    zone.untouchedEnd = last;
  } else {
    addPieces(table, zone, first, last);
  }
}

/**
 * Takes a block of `order` from the smallest list that has one; the lower half is handed out and
 * the upper halves go to the heads of the lists below (mm/page_alloc.c:__rmqueue_smallest, expand).
 * Simplified: one migratetype.
 *
 * @returns the first pfn, or -1
 */
export function rmqueue(table: FolioTable, zone: Zone, order: number): number {
  let from = order;
  while (from <= MAX_PAGE_ORDER && zone.freeBlocks[from]! === 0) from++;
  let pfn: number;
  if (from <= MAX_PAGE_ORDER) {
    pfn = table.links.first(freeList(zone, from));
    takeBlock(table, zone, pfn, from);
  } else if (zone.untouchedStart < zone.untouchedEnd) {
    from = MAX_PAGE_ORDER;
    pfn = zone.untouchedStart;
    zone.untouchedStart += 1 << MAX_PAGE_ORDER;
  } else {
    return -1;
  }
  while (from > order) {
    from--;
    putBlock(table, zone, pfn + (1 << from), from);
  }
  zone.freePages -= 1 << order;
  return pfn;
}

/**
 * Returns a block and merges it with its free buddies (mm/page_alloc.c:__free_one_page); a page of
 * an isolated range stays off the lists.
 */
export function freeOnePage(table: FolioTable, zone: Zone, pfn: number, order: number): void {
  if (pfn < zone.isolatedEnd && pfn >= zone.isolatedStart) {
    zone.isolatedFree += 1 << order;
    return;
  }
  zone.freePages += 1 << order;
  let at = pfn;
  let size = order;
  while (size < MAX_PAGE_ORDER) {
    const buddy = at ^ (1 << size);
    if (!isFreeBlock(table, zone, buddy, size)) break;
    takeBlock(table, zone, buddy, size);
    at &= buddy;
    size++;
  }
  putBlock(table, zone, at, size);
}

/** Is `pfn` the first page of a free block of exactly `order` in this zone (page_is_buddy)? */
export function isFreeBlock(table: FolioTable, zone: Zone, pfn: number, order: number): boolean {
  if (pfn < zone.base || pfn >= zone.base + zone.spannedPages) return false;
  return (table.flags[pfn]! & PG_buddy) !== 0 && table.order[pfn] === order;
}

/**
 * Takes one free page off the lists; the rest of its block stays free (take_page_off_buddy).
 * @returns was the page free?
 */
export function takePageOff(table: FolioTable, zone: Zone, pfn: number): boolean {
  zone.drainPages();
  breakUntouched(table, zone, pfn);
  let order = 0;
  while (order <= MAX_PAGE_ORDER && !isFreeBlock(table, zone, blockOf(pfn, order), order)) order++;
  if (order > MAX_PAGE_ORDER) return false;
  let at = blockOf(pfn, order);
  takeBlock(table, zone, at, order);
  while (order > 0) {
    order--;
    const upper = at + (1 << order);
    putBlock(table, zone, pfn < upper ? upper : at, order);
    if (pfn >= upper) at = upper;
  }
  zone.freePages -= 1;
  return true;
}

/** Free blocks by order, the untouched range included (/proc/buddyinfo). */
export function buddyinfo(zone: Zone): number[] {
  const counts = Array.from(zone.freeBlocks);
  counts[MAX_PAGE_ORDER]! += (zone.untouchedEnd - zone.untouchedStart) >> MAX_PAGE_ORDER;
  return counts;
}

/** Takes every free page of a wholly free zone away (offline_pages). */
export function removeAllFree(table: FolioTable, zone: Zone): void {
  zone.drainPages();
  assert(zone.freePages === zone.managedPages, 'only a wholly free zone is taken away');
  for (let order = 0; order <= MAX_PAGE_ORDER; order++) {
    while (zone.freeBlocks[order]! > 0) {
      takeBlock(table, zone, table.links.first(freeList(zone, order)), order);
    }
  }
  zone.untouchedStart = zone.untouchedEnd;
  zone.managedPages = 0;
  zone.freePages = 0;
}

function blockOf(pfn: number, order: number): number {
  return pfn & ~((1 << order) - 1);
}

/** If the page lies in the untouched range, the part up to its block goes to the lists. */
function breakUntouched(table: FolioTable, zone: Zone, pfn: number): void {
  if (pfn < zone.untouchedStart || pfn >= zone.untouchedEnd) return;
  const end = blockOf(pfn, MAX_PAGE_ORDER) + (1 << MAX_PAGE_ORDER);
  addPieces(table, zone, zone.untouchedStart, end);
  zone.untouchedStart = end;
}

/** Puts a free range on the lists in the largest aligned blocks; counts nothing. */
export function addPieces(table: FolioTable, zone: Zone, from: number, to: number): void {
  let at = from;
  while (at < to) {
    let order = MAX_PAGE_ORDER;
    while ((at & ((1 << order) - 1)) !== 0 || at + (1 << order) > to) order--;
    putBlock(table, zone, at, order);
    at += 1 << order;
  }
}

function putBlock(table: FolioTable, zone: Zone, pfn: number, order: number): void {
  table.flags[pfn] = PG_buddy;
  table.order[pfn] = order;
  table.links.addHead(freeList(zone, order), pfn);
  zone.freeBlocks[order]! += 1;
}

/** Takes a free block off its list; counts no pages. */
export function takeBlock(table: FolioTable, zone: Zone, pfn: number, order: number): void {
  table.links.remove(pfn);
  table.flags[pfn] = 0;
  table.order[pfn] = 0;
  zone.freeBlocks[order]! -= 1;
}
