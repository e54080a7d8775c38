import {
  MIGRATE_HIGHATOMIC,
  MIGRATE_ISOLATE,
  MIGRATE_MOVABLE,
  MIGRATE_PCPTYPES,
  MIGRATE_TYPES,
} from '../abi/migratetype.js';
import { MAX_PAGE_ORDER, PAGEBLOCK_PAGES } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import type { FolioTable } from '../mem/folio-table.js';
import { freeList, isFreeBlock } from '../mem/free-area.js';
import { PAGEBLOCK_ORDER, pageblockMigratetype } from '../mem/pageblock.js';
import type { Zone } from '../mem/zone.js';

/** Rechecks a zone's free lists, what its page blocks are for, and its counts. */
export function verifyZone(table: FolioTable, zone: Zone): void {
  const free = new Array<number>(MIGRATE_TYPES).fill(0);
  free[MIGRATE_MOVABLE] = verifyUntouched(table, zone);
  for (let order = 0; order <= MAX_PAGE_ORDER; order++) {
    const blocks = new Array<number>(MIGRATE_TYPES).fill(0);
    for (let type = 0; type < MIGRATE_TYPES; type++) {
      for (const pfn of table.links.walk(freeList(zone, order, type))) {
        blocks[type]!++;
        free[type]! += 1 << order;
        verifyBlock(table, zone, { pfn, order, type });
      }
    }
    const all = blocks.reduce((sum, count) => sum + count, 0);
    assert(all === zone.freeBlocks[order], `zone ${zone.index} counts its order ${order}`);
    const apart = blocks[MIGRATE_HIGHATOMIC]! + blocks[MIGRATE_ISOLATE]!;
    assert(apart === zone.apartBlocks[order], `zone ${zone.index} counts what is kept apart`);
  }
  verifyCounts(zone, free);
  verifyPageblocks(table, zone);
}

interface ListedBlock {
  readonly pfn: number;
  readonly order: number;
  readonly type: number;
}

function verifyBlock(table: FolioTable, zone: Zone, { pfn, order, type }: ListedBlock): void {
  assert(pfn % (1 << order) === 0, `free block ${pfn} is aligned to its order ${order}`);
  assert(isFreeBlock(table, zone, pfn, order), `free block ${pfn} says its order ${order}`);
  const last = pfn + (1 << order) - 1;
  const pure = typeAt(table, pfn) === type && typeAt(table, last) === type;
  assert(pure, `free block ${pfn} is on the list of its page block's type ${type}`);
  const buddy = pfn ^ (1 << order);
  const other = order < PAGEBLOCK_ORDER ? type : typeAt(table, buddy);
  const mergeable = other === type || (type < MIGRATE_PCPTYPES && other < MIGRATE_PCPTYPES);
  const apart = order === MAX_PAGE_ORDER || !isFreeBlock(table, zone, buddy, order) || !mergeable;
  assert(apart, `free block ${pfn} of order ${order} and its buddy are not both free`);
}

function typeAt(table: FolioTable, pfn: number): number {
  return pageblockMigratetype(table, pfn);
}

/** @returns pages that nobody ever had: all movable */
function verifyUntouched(table: FolioTable, zone: Zone): number {
  for (let pfn = zone.untouchedStart; pfn < zone.untouchedEnd; pfn += PAGEBLOCK_PAGES) {
    assert(typeAt(table, pfn) === MIGRATE_MOVABLE, `page block ${pfn} was never taken: movable`);
  }
  return zone.untouchedEnd - zone.untouchedStart;
}

function verifyCounts(zone: Zone, free: readonly number[]): void {
  const isolated = free[MIGRATE_ISOLATE]!;
  const all = free.reduce((sum, pages) => sum + pages, 0) - isolated;
  const counted = zone.freePages + zone.pcpPages;
  assert(all === counted, `zone ${zone.index}: free pages equal a recount (${all})`);
  assert(isolated === zone.isolatedFree, `zone ${zone.index}: isolated pages equal a recount`);
  const blocks = (zone.contigRange?.pages ?? 0) / PAGEBLOCK_PAGES;
  const stays = `zone ${zone.index}: no page block stays isolated`;
  assert(zone.isolatedPageblocks === blocks, stays);
  const highatomic = free[MIGRATE_HIGHATOMIC]!;
  assert(zone.freeHighatomic === highatomic, `zone ${zone.index} counts its reserved free pages`);
  assert(zone.freePages >= 0 && zone.pcpPages >= 0, `zone ${zone.index}: no count is negative`);
  assert(zone.freePages <= zone.managedPages, `zone ${zone.index}: free pages are managed`);
  assert(zone.watermarkBoost >= 0, `zone ${zone.index}: the boost is not negative`);
}

/**
 * Every page block has a type that exists, unless somebody is just taking it; those reserved are as
 * many as the zone says.
 */
function verifyPageblocks(table: FolioTable, zone: Zone): void {
  let reserved = 0;
  for (let pfn = zone.base; pfn < zone.base + zone.spannedPages; pfn += PAGEBLOCK_PAGES) {
    const type = typeAt(table, pfn);
    const isTaken = isWithin(zone.contigRange, pfn);
    const fits = isTaken ? type === MIGRATE_ISOLATE : type < MIGRATE_ISOLATE;
    assert(fits, `page block ${pfn} has a type and is isolated only while it is taken`);
    if (type === MIGRATE_HIGHATOMIC) reserved += PAGEBLOCK_PAGES;
  }
  assert(reserved === zone.reservedHighatomic, `zone ${zone.index}: reserved page blocks`);
}

function isWithin(range: Zone['contigRange'], pfn: number): boolean {
  return range !== null && pfn >= range.base && pfn < range.base + range.pages;
}
