import { ALLOC_HIGHATOMIC, ALLOC_NON_BLOCK, ALLOC_OOM } from '../abi/alloc-flags.js';
import {
  MIGRATE_HIGHATOMIC,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  MIGRATE_TYPES,
} from '../abi/migratetype.js';
import { MAX_PAGE_ORDER } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { type BlockRequest, rmqueueClaim, rmqueueSteal } from './fallback.js';
import type { FolioTable } from './folio-table.js';
import {
  blockHolding,
  freeList,
  isFreeBlock,
  putBlock,
  rmqueueSmallest,
  takeBlock,
} from './free-area.js';
import { changePageblockRange, PAGEBLOCK_ORDER, pageblockMigratetype } from './pageblock.js';
import type { Zone } from './zone.js';

/**
 * Gives `pages` from `base` to the allocator as movable memory, largest aligned blocks first
 * (memblock_free_all, online_pages).
 */
export function addFreeRange(table: FolioTable, zone: Zone, base: number, pages: number): void {
  const block = 1 << MAX_PAGE_ORDER;
  const end = base + pages;
  const first = Math.ceil(base / block) * block;
  const last = Math.floor(end / block) * block;
  makeMovable(table, base, end);
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

/** A movable page without any right. */
const PLAIN: BlockRequest = { order: 0, migratetype: MIGRATE_MOVABLE, allocFlags: 0 };

/** Who may have what is kept for requests that cannot wait when there is nothing else. */
const LAST_RESORT = ALLOC_OOM | ALLOC_NON_BLOCK;

/**
 * Takes a block: of the request's own type, else of one that it may claim a page block of, else any
 * (mm/page_alloc.c:rmqueue_buddy, __rmqueue). Simplified: page by page, so a request does not
 * remember from which step the one before it was served.
 *
 * @returns the first pfn, or -1
 */
export function rmqueue(table: FolioTable, zone: Zone, request: BlockRequest = PLAIN): number {
  const { order, migratetype, allocFlags } = request;
  let pfn = -1;
  if ((allocFlags & ALLOC_HIGHATOMIC) !== 0) pfn = takeReserved(table, zone, order);
  if (pfn < 0) pfn = rmqueueSmallest(table, zone, order, migratetype);
  if (pfn < 0) pfn = rmqueueClaim(table, zone, request);
  if (pfn < 0) pfn = rmqueueSteal(table, zone, request);
  if (pfn < 0 && (allocFlags & LAST_RESORT) !== 0) pfn = takeReserved(table, zone, order);
  if (pfn >= 0) zone.freePages -= 1 << order;
  return pfn;
}

function takeReserved(table: FolioTable, zone: Zone, order: number): number {
  return rmqueueSmallest(table, zone, order, MIGRATE_HIGHATOMIC);
}

/**
 * Returns a block and merges it with its free buddies (mm/page_alloc.c:__free_one_page); a page of
 * an isolated block is free but not counted so. Page blocks merge if both types do.
 */
export function freeOnePage(table: FolioTable, zone: Zone, pfn: number, order: number): void {
  const type = pageblockMigratetype(table, pfn);
  if (type !== MIGRATE_ISOLATE) zone.freePages += 1 << order;
  let at = pfn;
  let size = order;
  while (size < MAX_PAGE_ORDER) {
    const buddy = at ^ (1 << size);
    if (!isFreeBlock(table, zone, buddy, size)) break;
    const other = size < PAGEBLOCK_ORDER ? type : pageblockMigratetype(table, buddy);
    if (!merges(type, other)) break;
    takeBlock(table, zone, buddy, size);
    if (other !== type) changePageblockRange(table, buddy, size, type);
    at &= buddy;
    size++;
  }
  putBlock(table, zone, at, size, type);
}

function merges(type: number, other: number): boolean {
  return type === other || (type < MIGRATE_PCPTYPES && other < MIGRATE_PCPTYPES);
}

/**
 * Takes one free page off the lists; the rest of its block stays free (take_page_off_buddy).
 * @returns was the page free?
 */
export function takePageOff(table: FolioTable, zone: Zone, pfn: number): boolean {
  zone.drainPages();
  breakUntouched(table, zone, pfn);
  const block = blockHolding(table, zone, pfn);
  if (block === null) return false;
  takeBlock(table, zone, block.pfn, block.order);
  let at = block.pfn;
  for (let order = block.order - 1; order >= 0; order--) {
    const upper = at + (1 << order);
    putBlock(table, zone, pfn < upper ? upper : at, order);
    if (pfn >= upper) at = upper;
  }
  if (pageblockMigratetype(table, pfn) !== MIGRATE_ISOLATE) zone.freePages -= 1;
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
    for (let type = 0; type < MIGRATE_TYPES; type++) {
      const list = freeList(zone, order, type);
      while (!table.links.isEmpty(list)) takeBlock(table, zone, table.links.first(list), order);
    }
  }
  zone.untouchedStart = zone.untouchedEnd;
  zone.managedPages = 0;
  zone.freePages = 0;
  zone.reservedHighatomic = 0;
  makeMovable(table, zone.base, zone.base + zone.spannedPages);
}

function makeMovable(table: FolioTable, from: number, to: number): void {
  const end = to > from ? ((to - 1) >> PAGEBLOCK_ORDER) + 1 : 0;
  table.pageblockType.fill(MIGRATE_MOVABLE, from >> PAGEBLOCK_ORDER, end);
}

/** If the page lies in the untouched range, the part up to its block goes to the lists. */
function breakUntouched(table: FolioTable, zone: Zone, pfn: number): void {
  if (pfn < zone.untouchedStart || pfn >= zone.untouchedEnd) return;
  const block = 1 << MAX_PAGE_ORDER;
  const end = pfn - (pfn % block) + block;
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
