import { ALLOC_KSWAPD, ALLOC_NOFRAGMENT } from '../abi/alloc-flags.js';
import { MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE } from '../abi/migratetype.js';
import { PG_buddy, PG_lru } from '../abi/page-flags.js';
import { MAX_PAGE_ORDER, PAGEBLOCK_PAGES } from '../abi/zone.js';
import type { FolioTable } from './folio-table.js';
import {
  blockHolding,
  expand,
  firstBlock,
  hasBlock,
  putBlock,
  rmqueueSmallest,
  takeBlock,
} from './free-area.js';
import {
  changePageblockRange,
  PAGEBLOCK_ORDER,
  pageblockMigratetype,
  pageblockStart,
} from './pageblock.js';
import type { Zone } from './zone.js';

/** What a request wants of a zone. */
export interface BlockRequest {
  readonly order: number;
  readonly migratetype: number;
  /** ALLOC_*. */
  readonly allocFlags: number;
}

/** Where a type looks when its own lists are empty (fallbacks). */
const FALLBACKS: readonly (readonly number[])[] = [
  [MIGRATE_RECLAIMABLE, MIGRATE_MOVABLE],
  [MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE],
  [MIGRATE_UNMOVABLE, MIGRATE_MOVABLE],
];

/**
 * A block of another type whose page block becomes the requester's, from the largest order down
 * (mm/page_alloc.c:__rmqueue_claim). @returns first pfn or -1
 */
export function rmqueueClaim(table: FolioTable, zone: Zone, request: BlockRequest): number {
  const { order, migratetype, allocFlags } = request;
  const whole = order < PAGEBLOCK_ORDER && (allocFlags & ALLOC_NOFRAGMENT) !== 0;
  const least = whole ? PAGEBLOCK_ORDER : order;
  for (let from = MAX_PAGE_ORDER; from >= least; from--) {
    if (!mayClaim(from, migratetype)) return -1;
    const type = findSuitableFallback(table, zone, from, migratetype);
    if (type < 0) continue;
    const pfn = tryToClaimBlock(table, zone, { from, type }, request);
    if (pfn >= 0) return pfn;
  }
  return -1;
}

/**
 * One block of another type, the smallest that fits; its page block stays what it is
 * (__rmqueue_steal). @returns first pfn or -1
 */
export function rmqueueSteal(table: FolioTable, zone: Zone, request: BlockRequest): number {
  if ((request.allocFlags & ALLOC_NOFRAGMENT) !== 0) return -1;
  for (let from = request.order; from <= MAX_PAGE_ORDER; from++) {
    const type = findSuitableFallback(table, zone, from, request.migratetype);
    if (type < 0) continue;
    const pfn = firstBlock(table, zone, from, type);
    takeBlock(table, zone, pfn, from);
    expand(table, zone, pfn, { low: request.order, high: from, migratetype: type });
    return pfn;
  }
  return -1;
}

/** First other type that has a block of the order (find_suitable_fallback), or -1. */
export function findSuitableFallback(
  table: FolioTable,
  zone: Zone,
  order: number,
  migratetype: number,
): number {
  for (const type of FALLBACKS[migratetype] ?? []) {
    if (hasBlock(table, zone, order, type)) return type;
  }
  return -1;
}

/** Is a block of this order worth a change of its page block (should_try_claim_block)? */
export function mayClaim(order: number, migratetype: number): boolean {
  return order >= PAGEBLOCK_ORDER >> 1 || migratetype !== MIGRATE_MOVABLE;
}

/**
 * Moves the free pages of the page block that holds `pfn` to another type's lists, and the block
 * with them (move_freepages_block). Blocks that the zone has only part of stay.
 * @returns pages moved, or -1
 */
export function moveFreepagesBlock(
  table: FolioTable,
  zone: Zone,
  pfn: number,
  migratetype: number,
): number {
  const start = pageblockStart(pfn);
  if (start < zone.base || start + PAGEBLOCK_PAGES > zone.base + zone.spannedPages) return -1;
  const whole = blockHolding(table, zone, start);
  if (whole !== null && whole.order > PAGEBLOCK_ORDER) return -1;
  const moved: [pfn: number, order: number][] = [];
  let pages = 0;
  for (let at = start; at < start + PAGEBLOCK_PAGES; ) {
    const order = table.order[at]!;
    if ((table.flags[at]! & PG_buddy) === 0) {
      at++;
      continue;
    }
    takeBlock(table, zone, at, order);
    moved.push([at, order]);
    pages += 1 << order;
    at += 1 << order;
  }
  changePageblockRange(table, start, PAGEBLOCK_ORDER, migratetype);
  for (const [at, order] of moved) putBlock(table, zone, at, order, migratetype, true);
  return pages;
}

function tryToClaimBlock(
  table: FolioTable,
  zone: Zone,
  found: { readonly from: number; readonly type: number },
  { order, migratetype, allocFlags }: BlockRequest,
): number {
  const pfn = firstBlock(table, zone, found.from, found.type);
  if (found.from >= PAGEBLOCK_ORDER) {
    takeBlock(table, zone, pfn, found.from);
    changePageblockRange(table, pfn, found.from, migratetype);
    expand(table, zone, pfn, { low: order, high: found.from, migratetype });
    return pfn;
  }
  if (boostWatermark(zone) && (allocFlags & ALLOC_KSWAPD) !== 0) zone.boostedWatermark = true;
  if (!isWorthIt(table, pfn, migratetype)) return -1;
  if (moveFreepagesBlock(table, zone, pfn, migratetype) < 0) return -1;
  return rmqueueSmallest(table, zone, order, migratetype);
}

/** Do free pages and pages like the requester's make half of the page block? */
function isWorthIt(table: FolioTable, pfn: number, migratetype: number): boolean {
  const start = pageblockStart(pfn);
  let free = 0;
  let movable = 0;
  for (let at = start; at < start + PAGEBLOCK_PAGES; ) {
    const pages = (table.flags[at]! & PG_buddy) !== 0 ? 1 << table.order[at]! : 1;
    if ((table.flags[at]! & PG_buddy) !== 0) free += pages;
    else if (table.has(table.head(at), PG_lru)) movable++;
    at += pages;
  }
  const wasMovable = pageblockMigratetype(table, pfn) === MIGRATE_MOVABLE;
  const others = wasMovable ? PAGEBLOCK_PAGES - free - movable : 0;
  const alike = migratetype === MIGRATE_MOVABLE ? movable : others;
  return free + alike >= PAGEBLOCK_PAGES >> 1;
}

/** Raises the zone's marks, so that kswapd makes room of its own (boost_watermark). */
function boostWatermark(zone: Zone): boolean {
  if (zone.boostMax === 0) return false;
  zone.watermarkBoost = Math.min(zone.watermarkBoost + PAGEBLOCK_PAGES, zone.boostMax);
  return true;
}
