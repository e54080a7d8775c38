import {
  MIGRATE_HIGHATOMIC,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  MIGRATE_TYPES,
} from '../abi/migratetype.js';
import { PG_buddy } from '../abi/page-flags.js';
import { MAX_PAGE_ORDER } from '../abi/zone.js';
import type { FolioTable } from './folio-table.js';
import { pageblockMigratetype } from './pageblock.js';
import { ORDERS, type Zone } from './zone.js';

/** Free lists of a zone in the folio table's links. */
export const FREE_LISTS = ORDERS * MIGRATE_TYPES;

/** Index of a zone's free list in the folio table's links. */
export function freeList(zone: Zone, order: number, migratetype: number): number {
  return (zone.index * ORDERS + order) * MIGRATE_TYPES + migratetype;
}

/**
 * Puts a free block at the head of its list, or at the tail (__add_to_free_list). Counts what is
 * reserved or isolated, not NR_FREE_PAGES.
 */
export function putBlock(
  table: FolioTable,
  zone: Zone,
  pfn: number,
  order: number,
  migratetype: number = pageblockMigratetype(table, pfn),
  toTail = false,
): void {
  table.flags[pfn] = PG_buddy;
  table.order[pfn] = order;
  const list = freeList(zone, order, migratetype);
  if (toTail) table.links.addTail(list, pfn);
  else table.links.addHead(list, pfn);
  zone.freeBlocks[order]! += 1;
  if (migratetype >= MIGRATE_PCPTYPES) countApart(zone, order, migratetype, 1);
}

/** Takes a free block off its list (__del_page_from_free_list); counts as `putBlock` does. */
export function takeBlock(table: FolioTable, zone: Zone, pfn: number, order: number): void {
  table.links.remove(pfn);
  table.flags[pfn] = 0;
  table.order[pfn] = 0;
  zone.freeBlocks[order]! -= 1;
  const migratetype = pageblockMigratetype(table, pfn);
  if (migratetype >= MIGRATE_PCPTYPES) countApart(zone, order, migratetype, -1);
}

function countApart(zone: Zone, order: number, migratetype: number, blocks: number): void {
  zone.apartBlocks[order]! += blocks;
  const pages = blocks * (1 << order);
  if (migratetype === MIGRATE_HIGHATOMIC) zone.freeHighatomic += pages;
  if (migratetype === MIGRATE_ISOLATE) zone.isolatedFree += pages;
}

/**
 * First block of a list, or -1 (get_page_from_free_area). The blocks that nobody ever had are
 * movable ones of the largest order behind all others; the one asked for comes to the list.
 */
export function firstBlock(
  table: FolioTable,
  zone: Zone,
  order: number,
  migratetype: number,
): number {
  if (zone.freeBlocks[order]! > 0) {
    const pfn = table.links.first(freeList(zone, order, migratetype));
    if (pfn >= 0) return pfn;
  }
  if (order < MAX_PAGE_ORDER || migratetype !== MIGRATE_MOVABLE) return -1;
  if (zone.untouchedStart === zone.untouchedEnd) return -1;
  const pfn = zone.untouchedStart;
  zone.untouchedStart += 1 << MAX_PAGE_ORDER;
  putBlock(table, zone, pfn, MAX_PAGE_ORDER);
  return pfn;
}

/** Is there a block of the type (free_area_empty)? */
export function hasBlock(
  table: FolioTable,
  zone: Zone,
  order: number,
  migratetype: number,
): boolean {
  if (!table.links.isEmpty(freeList(zone, order, migratetype))) return true;
  const untouched = zone.untouchedStart < zone.untouchedEnd;
  return order === MAX_PAGE_ORDER && migratetype === MIGRATE_MOVABLE && untouched;
}

/** Is `pfn` the first page of a free block of exactly `order` in this zone (page_is_buddy)? */
export function isFreeBlock(table: FolioTable, zone: Zone, pfn: number, order: number): boolean {
  if (pfn < zone.base || pfn >= zone.base + zone.spannedPages) return false;
  return (table.flags[pfn]! & PG_buddy) !== 0 && table.order[pfn] === order;
}

/**
 * The rest of a block of `high` pages after `1 << low` were taken from its start: the upper halves,
 * at the heads of the lists below (expand).
 */
export function expand(
  table: FolioTable,
  zone: Zone,
  pfn: number,
  orders: { readonly low: number; readonly high: number; readonly migratetype: number },
): void {
  for (let order = orders.high - 1; order >= orders.low; order--) {
    putBlock(table, zone, pfn + (1 << order), order, orders.migratetype);
  }
}

/** The free block on the lists that holds a page, or null (find_large_buddy). */
export function blockHolding(
  table: FolioTable,
  zone: Zone,
  pfn: number,
): { readonly pfn: number; readonly order: number } | null {
  for (let order = 0; order <= MAX_PAGE_ORDER; order++) {
    const at = pfn & ~((1 << order) - 1);
    if (isFreeBlock(table, zone, at, order)) return { pfn: at, order };
  }
  return null;
}

/**
 * Takes a block of `order` of a type from the smallest list that has one; the lower half is handed
 * out and the upper halves go to the heads of the lists below (__rmqueue_smallest).
 * @returns the first pfn, or -1
 */
export function rmqueueSmallest(
  table: FolioTable,
  zone: Zone,
  order: number,
  migratetype: number,
): number {
  for (let from = order; from <= MAX_PAGE_ORDER; from++) {
    const pfn = firstBlock(table, zone, from, migratetype);
    if (pfn < 0) continue;
    takeBlock(table, zone, pfn, from);
    if (from > order) expand(table, zone, pfn, { low: order, high: from, migratetype });
    return pfn;
  }
  return -1;
}

/** Blocks on a list, those that nobody ever had among them. Walks it. */
export function freeBlocksOf(
  table: FolioTable,
  zone: Zone,
  order: number,
  migratetype: number,
): number {
  let blocks = 0;
  for (const _ of table.links.walk(freeList(zone, order, migratetype))) blocks++;
  if (order < MAX_PAGE_ORDER || migratetype !== MIGRATE_MOVABLE) return blocks;
  return blocks + ((zone.untouchedEnd - zone.untouchedStart) >> MAX_PAGE_ORDER);
}
