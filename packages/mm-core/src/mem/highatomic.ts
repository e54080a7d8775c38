import { MIGRATE_HIGHATOMIC, MIGRATE_PCPTYPES } from '../abi/migratetype.js';
import { MAX_PAGE_ORDER, PAGEBLOCK_PAGES } from '../abi/zone.js';
import { moveFreepagesBlock } from './fallback.js';
import type { FolioTable } from './folio-table.js';
import { freeList, putBlock, takeBlock } from './free-area.js';
import { changePageblockRange, PAGEBLOCK_ORDER, pageblockMigratetype } from './pageblock.js';
import type { Zone } from './zone.js';

/**
 * A request that could not wait got this block: the rest of its page block is kept for the next
 * one, up to 1 % of the zone (mm/page_alloc.c:reserve_highatomic_pageblock).
 */
export function reserveHighatomic(table: FolioTable, zone: Zone, pfn: number, order: number): void {
  const share = Math.floor(zone.managedPages / 100);
  if (share < PAGEBLOCK_PAGES) return;
  const most = Math.ceil(share / PAGEBLOCK_PAGES) * PAGEBLOCK_PAGES;
  if (zone.reservedHighatomic >= most) return;
  if (pageblockMigratetype(table, pfn) >= MIGRATE_PCPTYPES) return;
  if (order >= PAGEBLOCK_ORDER) {
    changePageblockRange(table, pfn, order, MIGRATE_HIGHATOMIC);
    zone.reservedHighatomic += 1 << order;
  } else if (moveFreepagesBlock(table, zone, pfn, MIGRATE_HIGHATOMIC) >= 0) {
    zone.reservedHighatomic += PAGEBLOCK_PAGES;
  }
}

/**
 * Gives one reserved block back to ordinary requests (unreserve_highatomic_pageblock).
 * @param last also the last one
 * @returns were there free pages in it?
 */
export function unreserveHighatomic(
  table: FolioTable,
  zone: Zone,
  migratetype: number,
  last: 'keep last' | 'take last',
): boolean {
  if (last === 'keep last' && zone.reservedHighatomic <= PAGEBLOCK_PAGES) return false;
  for (let order = 0; order <= MAX_PAGE_ORDER; order++) {
    const pfn = table.links.first(freeList(zone, order, MIGRATE_HIGHATOMIC));
    if (pfn < 0) continue;
    const pages = Math.max(PAGEBLOCK_PAGES, 1 << order);
    zone.reservedHighatomic -= Math.min(pages, zone.reservedHighatomic);
    if (order < PAGEBLOCK_ORDER) return moveFreepagesBlock(table, zone, pfn, migratetype) > 0;
    takeBlock(table, zone, pfn, order);
    changePageblockRange(table, pfn, order, migratetype);
    putBlock(table, zone, pfn, order);
    return true;
  }
  return false;
}
