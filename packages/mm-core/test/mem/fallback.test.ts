import { expect, test } from 'vitest';
import { ALLOC_HIGHATOMIC, ALLOC_KSWAPD, ALLOC_NOFRAGMENT } from '../../src/abi/alloc-flags.js';
import {
  MIGRATE_HIGHATOMIC,
  MIGRATE_MOVABLE,
  MIGRATE_RECLAIMABLE,
  MIGRATE_UNMOVABLE,
} from '../../src/abi/migratetype.js';
import { PG_lru } from '../../src/abi/page-flags.js';
import { FolioTable, ZONE_NORMAL, Zone } from '../../src/index.js';
import { verifyZone } from '../../src/machine/verify-zone.js';
import { addFreeRange, freeOnePage, rmqueue } from '../../src/mem/buddy.js';
import { FREE_LISTS, freeBlocksOf } from '../../src/mem/free-area.js';
import { reserveHighatomic, unreserveHighatomic } from '../../src/mem/highatomic.js';
import { endIsolation, isolateRange, undoIsolation } from '../../src/mem/page-isolation.js';
import { pageblockMigratetype } from '../../src/mem/pageblock.js';

class Heap {
  readonly zone: Zone;
  readonly table: FolioTable;

  constructor(readonly pages: number) {
    this.table = new FolioTable(pages, FREE_LISTS);
    this.zone = new Zone(0, 0, ZONE_NORMAL, 0, pages);
    addFreeRange(this.table, this.zone, 0, pages);
    this.zone.boostMax = 1024;
  }

  take(migratetype: number, order = 0, allocFlags = ALLOC_KSWAPD): number {
    const pfn = rmqueue(this.table, this.zone, { order, migratetype, allocFlags });
    if (pfn >= 0) this.table.prepareFolio(pfn, order);
    verifyZone(this.table, this.zone);
    return pfn;
  }

  give(pfn: number, order = 0): void {
    freeOnePage(this.table, this.zone, pfn, order);
    verifyZone(this.table, this.zone);
  }

  /** Types of the page blocks, in order. */
  types(): string {
    const blocks = Array.from({ length: this.pages / 512 }, (_, at) => at * 512);
    return blocks.map((pfn) => 'UMRHI'[pageblockMigratetype(this.table, pfn)]).join('');
  }

  /** Takes movable pages, one by one, until so many are free. */
  fill(left: number): number[] {
    const taken: number[] = [];
    while (this.zone.freePages > left) taken.push(this.take(MIGRATE_MOVABLE));
    return taken;
  }

  free(migratetype: number): number {
    let pages = 0;
    for (let order = 0; order <= 10; order++) {
      pages += freeBlocksOf(this.table, this.zone, order, migratetype) << order;
    }
    return pages;
  }
}

test('a type without a block claims the largest of another and keeps to it', () => {
  const heap = new Heap(4096);
  const first = heap.take(MIGRATE_UNMOVABLE);
  const after = heap.types();
  const near = heap.take(MIGRATE_UNMOVABLE, 3);
  const other = heap.take(MIGRATE_RECLAIMABLE);
  const movable = heap.take(MIGRATE_MOVABLE);
  expect({ first, after, near, other, movable, types: heap.types() }).toMatchInlineSnapshot(`
    {
      "after": "UUMMMMMM",
      "first": 0,
      "movable": 2048,
      "near": 8,
      "other": 1024,
      "types": "UURRMMMM",
    }
  `);
});

test('a page block of which half is free changes hands, and the marks are boosted', () => {
  const heap = new Heap(1024);
  const taken = heap.fill(0);
  for (const pfn of taken) if (pfn < 512 && pfn % 16 < 12) heap.give(pfn);
  const pfn = heap.take(MIGRATE_UNMOVABLE);
  const { watermarkBoost, boostedWatermark } = heap.zone;
  const types = heap.types();
  const left = [heap.free(MIGRATE_UNMOVABLE), heap.free(MIGRATE_MOVABLE)];
  expect({ pfn, types, left, watermarkBoost, boostedWatermark }).toMatchInlineSnapshot(`
    {
      "boostedWatermark": true,
      "left": [
        383,
        0,
      ],
      "pfn": 8,
      "types": "UM",
      "watermarkBoost": 512,
    }
  `);
});

test('a page block in use by others gives single pages and stays theirs', () => {
  const heap = new Heap(1024);
  const taken = heap.fill(0);
  for (const pfn of taken) heap.table.set(pfn, PG_lru);
  for (const pfn of taken) if (pfn % 8 === 0) heap.give(pfn);
  const unmovable = heap.take(MIGRATE_UNMOVABLE);
  expect([unmovable % 8, heap.types(), heap.free(MIGRATE_MOVABLE)]).toEqual([0, 'MM', 127]);
});

test('what may not mix types takes whole page blocks or nothing', () => {
  const heap = new Heap(1024);
  const taken = heap.fill(0);
  for (const pfn of taken) if (pfn < 128) heap.give(pfn);
  const nothing = heap.take(MIGRATE_UNMOVABLE, 0, ALLOC_NOFRAGMENT);
  for (const pfn of taken) if (pfn >= 512) heap.give(pfn);
  const whole = heap.take(MIGRATE_UNMOVABLE, 0, ALLOC_NOFRAGMENT);
  expect([nothing, whole, heap.types()]).toEqual([-1, 512, 'MU']);
});

test('a reserve for requests that cannot wait is kept apart and given back', () => {
  const heap = new Heap(102400);
  const pfn = heap.take(MIGRATE_UNMOVABLE, 2);
  reserveHighatomic(heap.table, heap.zone, pfn, 2);
  verifyZone(heap.table, heap.zone);
  const { freeHighatomic, reservedHighatomic } = heap.zone;
  const again = heap.take(MIGRATE_UNMOVABLE, 1, ALLOC_HIGHATOMIC);
  const type = pageblockMigratetype(heap.table, again);
  const mark = heap.zone.freePages - heap.zone.freeHighatomic;
  const ok = [0, ALLOC_HIGHATOMIC].map((flags) => heap.zone.watermarkOk(0, mark, 2, flags));
  const kept = unreserveHighatomic(heap.table, heap.zone, MIGRATE_MOVABLE, 'keep last');
  const given = unreserveHighatomic(heap.table, heap.zone, MIGRATE_MOVABLE, 'take last');
  verifyZone(heap.table, heap.zone);
  expect({ freeHighatomic, reservedHighatomic, ok, kept, given }).toMatchInlineSnapshot(`
    {
      "freeHighatomic": 508,
      "given": true,
      "kept": false,
      "ok": [
        false,
        true,
      ],
      "reservedHighatomic": 512,
    }
  `);
  expect([type, heap.zone.freeHighatomic]).toEqual([MIGRATE_HIGHATOMIC, 0]);
});

test('isolated page blocks give nothing, take what is freed, and become what they were', () => {
  const heap = new Heap(4096);
  const unmovable = heap.take(MIGRATE_UNMOVABLE);
  const movable = heap.take(MIGRATE_MOVABLE);
  const range = { base: 0, pages: 1536 };
  isolateRange(heap.table, heap.zone, range);
  const types = heap.types();
  const counts = [heap.zone.freePages, heap.zone.isolatedFree, heap.zone.isolatedPageblocks];
  freeOnePage(heap.table, heap.zone, unmovable, 0);
  const elsewhere = rmqueue(heap.table, heap.zone);
  undoIsolation(heap.table, heap.zone, range);
  const after = [heap.zone.freePages, heap.zone.isolatedFree, heap.zone.isolatedPageblocks];
  verifyZone(heap.table, heap.zone);
  expect({
    movable,
    types,
    counts,
    elsewhere,
    after,
    typesAfter: heap.types(),
  }).toMatchInlineSnapshot(`
    {
      "after": [
        4094,
        0,
        0,
      ],
      "counts": [
        2560,
        1534,
        3,
      ],
      "elsewhere": 1536,
      "movable": 1024,
      "types": "IIIMMMMM",
      "typesAfter": "UUMMMMMM",
    }
  `);
  isolateRange(heap.table, heap.zone, { base: 2048, pages: 512 });
  endIsolation(heap.table, heap.zone, { base: 2048, pages: 512 });
  expect([heap.zone.isolatedFree, heap.zone.freePages]).toEqual([0, after[0]! - 512]);
});
