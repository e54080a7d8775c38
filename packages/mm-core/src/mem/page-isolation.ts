import { PG_buddy, PG_hwpoison, PG_reserved, PG_tail } from '../abi/page-flags.js';
import { assert } from '../base/assert.js';
import { addPieces, freeOnePage, takeBlock } from './buddy.js';
import type { FolioTable } from './folio-table.js';
import type { Zone } from './zone.js';

/** A run of pages. */
export interface PfnRange {
  readonly base: number;
  readonly pages: number;
}

/**
 * Keeps the range's free pages, and those freed from now on, away from the allocator
 * (mm/page_isolation.c:start_isolate_page_range). Simplified: one range of a zone at a time.
 */
export function isolateRange(table: FolioTable, zone: Zone, range: PfnRange): void {
  assert(zone.isolatedEnd === 0, 'one range of a zone is isolated at a time');
  const end = range.base + range.pages;
  zone.isolatedStart = range.base;
  zone.isolatedEnd = end;
  zone.isolatedFree = 0;
  cutUntouched(table, zone, range);
  for (let pfn = range.base; pfn < end; ) {
    const order = table.order[pfn]!;
    if ((table.flags[pfn]! & PG_buddy) === 0) {
      pfn++;
      continue;
    }
    takeBlock(table, zone, pfn, order);
    zone.freePages -= 1 << order;
    zone.isolatedFree += 1 << order;
    pfn += 1 << order;
  }
}

/** Gives the range back to the allocator (undo_isolate_page_range). */
export function undoIsolation(table: FolioTable, zone: Zone): void {
  const [start, end] = [zone.isolatedStart, zone.isolatedEnd];
  endIsolation(zone);
  const inUse = PG_buddy | PG_reserved | PG_tail | PG_hwpoison;
  for (let pfn = start; pfn < end; pfn++) {
    const free = table.refcount[pfn] === 0 && (table.flags[pfn]! & inUse) === 0;
    if (free) freeOnePage(table, zone, pfn, 0);
  }
}

/** Forgets the range: its pages are the caller's. */
export function endIsolation(zone: Zone): void {
  zone.isolatedStart = 0;
  zone.isolatedEnd = 0;
  zone.isolatedFree = 0;
}

/** The part of the untouched range behind the isolated one goes to the lists. */
function cutUntouched(table: FolioTable, zone: Zone, range: PfnRange): void {
  const end = range.base + range.pages;
  const from = Math.max(zone.untouchedStart, range.base);
  const to = Math.min(zone.untouchedEnd, end);
  if (from >= to) return;
  zone.freePages -= to - from;
  zone.isolatedFree += to - from;
  if (zone.untouchedStart === from) {
    zone.untouchedStart = to;
  } else {
    addPieces(table, zone, to, zone.untouchedEnd);
    zone.untouchedEnd = from;
  }
}
