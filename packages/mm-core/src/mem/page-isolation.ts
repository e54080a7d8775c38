import { MIGRATE_HIGHATOMIC, MIGRATE_MOVABLE } from '../abi/migratetype.js';
import { PG_buddy } from '../abi/page-flags.js';
import { MAX_PAGE_ORDER, PAGEBLOCK_PAGES } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { addPieces, freeOnePage } from './buddy.js';
import type { FolioTable } from './folio-table.js';
import { blockHolding, putBlock, takeBlock } from './free-area.js';
import {
  changePageblockRange,
  PAGEBLOCK_ORDER,
  pageblockMigratetype,
  setPageblockIsolate,
} from './pageblock.js';
import type { Zone } from './zone.js';

/** A run of pages. */
export interface PfnRange {
  readonly base: number;
  readonly pages: number;
}

/** A free block that is on no list at the moment. */
type Block = readonly [pfn: number, order: number];

/**
 * Keeps the range's free pages, and those freed from now on, away from the allocator: its page
 * blocks are MIGRATE_ISOLATE (mm/page_isolation.c:start_isolate_page_range).
 */
export function isolateRange(table: FolioTable, zone: Zone, range: PfnRange): void {
  const end = range.base + range.pages;
  const whole = range.base % PAGEBLOCK_PAGES === 0 && range.pages % PAGEBLOCK_PAGES === 0;
  assert(whole, 'whole page blocks are isolated');
  listUntouched(table, zone, range);
  splitAt(table, zone, range.base);
  splitAt(table, zone, end);
  const free = takeFree(table, zone, range);
  markRange(table, zone, range, true);
  for (const [pfn, order] of free) {
    zone.freePages -= 1 << order;
    putBlock(table, zone, pfn, order);
  }
}

/** Gives the range back to the allocator as what it was (undo_isolate_page_range). */
export function undoIsolation(table: FolioTable, zone: Zone, range: PfnRange): void {
  const free = takeFree(table, zone, range);
  markRange(table, zone, range, false);
  for (const [pfn, order] of free) {
    const step = 1 << Math.min(order, PAGEBLOCK_ORDER);
    for (let at = pfn; at < pfn + (1 << order); at += step) {
      freeOnePage(table, zone, at, Math.min(order, PAGEBLOCK_ORDER));
    }
  }
}

/** The range is the caller's: its free pages are on no list any more (__offline_isolated_pages). */
export function endIsolation(table: FolioTable, zone: Zone, range: PfnRange): void {
  takeFree(table, zone, range);
  markRange(table, zone, range, false);
  for (let pfn = range.base; pfn < range.base + range.pages; pfn += PAGEBLOCK_PAGES) {
    const reserved = pageblockMigratetype(table, pfn) === MIGRATE_HIGHATOMIC;
    if (reserved) zone.reservedHighatomic -= PAGEBLOCK_PAGES;
    changePageblockRange(table, pfn, PAGEBLOCK_ORDER, MIGRATE_MOVABLE);
  }
}

function markRange(table: FolioTable, zone: Zone, range: PfnRange, isolated: boolean): void {
  const end = range.base + range.pages;
  for (let pfn = range.base; pfn < end; pfn += PAGEBLOCK_PAGES) {
    setPageblockIsolate(table, pfn, isolated);
    zone.isolatedPageblocks += isolated ? 1 : -1;
  }
}

/** Takes every free block of the range off its list. */
function takeFree(table: FolioTable, zone: Zone, range: PfnRange): Block[] {
  const taken: Block[] = [];
  for (let pfn = range.base; pfn < range.base + range.pages; ) {
    const order = table.order[pfn]!;
    if ((table.flags[pfn]! & PG_buddy) === 0) {
      pfn++;
      continue;
    }
    takeBlock(table, zone, pfn, order);
    taken.push([pfn, order]);
    pfn += 1 << order;
  }
  return taken;
}

/** A free block that reaches over the edge of the range is split there. */
function splitAt(table: FolioTable, zone: Zone, edge: number): void {
  const block = blockHolding(table, zone, edge);
  if (block === null || block.pfn === edge) return;
  assert(block.order === MAX_PAGE_ORDER, 'two page blocks make the largest order');
  takeBlock(table, zone, block.pfn, block.order);
  putBlock(table, zone, block.pfn, PAGEBLOCK_ORDER);
  putBlock(table, zone, edge, PAGEBLOCK_ORDER);
}

/** The untouched blocks of the range, and those behind it, go to the lists. */
function listUntouched(table: FolioTable, zone: Zone, range: PfnRange): void {
  const from = Math.max(zone.untouchedStart, range.base);
  const to = Math.min(zone.untouchedEnd, range.base + range.pages);
  if (from >= to) return;
  const first = from - (from % (1 << MAX_PAGE_ORDER));
  addPieces(table, zone, first, zone.untouchedEnd);
  zone.untouchedEnd = first;
}
