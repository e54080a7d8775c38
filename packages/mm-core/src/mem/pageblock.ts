import { MIGRATE_ISOLATE } from '../abi/migratetype.js';
import { PAGEBLOCK_PAGES } from '../abi/zone.js';
import type { FolioTable } from './folio-table.js';

/** log2 of the pages of a block (pageblock_order). */
export const PAGEBLOCK_ORDER = 9;
/** Bit beside the type: the block is isolated and will have its type back (PB_migrate_isolate). */
const PB_ISOLATE = 0x80;

/** What the block of a page is for (get_pageblock_migratetype). */
export function pageblockMigratetype(table: FolioTable, pfn: number): number {
  const type = table.pageblockType[pfn >> PAGEBLOCK_ORDER]!;
  return (type & PB_ISOLATE) === 0 ? type : MIGRATE_ISOLATE;
}

/** The blocks of `1 << order` pages, one at least, are for this from now on. */
export function changePageblockRange(
  table: FolioTable,
  pfn: number,
  order: number,
  migratetype: number,
): void {
  const first = pfn >> PAGEBLOCK_ORDER;
  const blocks = order > PAGEBLOCK_ORDER ? 1 << (order - PAGEBLOCK_ORDER) : 1;
  table.pageblockType.fill(migratetype, first, first + blocks);
}

/** Sets or clears the mark of isolation (set_pageblock_isolate, clear_pageblock_isolate). */
export function setPageblockIsolate(table: FolioTable, pfn: number, isolated: boolean): void {
  const block = pfn >> PAGEBLOCK_ORDER;
  const type = table.pageblockType[block]!;
  table.pageblockType[block] = isolated ? type | PB_ISOLATE : type & ~PB_ISOLATE;
}

/** First page of the block of a page. */
export function pageblockStart(pfn: number): number {
  return pfn - (pfn % PAGEBLOCK_PAGES);
}
