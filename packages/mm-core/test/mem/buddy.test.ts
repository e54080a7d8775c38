import { describe, expect, test } from 'vitest';
import { MIGRATE_MOVABLE } from '../../src/abi/migratetype.js';
import { FolioTable, MAX_PAGE_ORDER, Prng, ZONE_NORMAL, Zone } from '../../src/index.js';
import { verifyZone } from '../../src/machine/verify-zone.js';
import {
  addFreeRange,
  buddyinfo,
  freeOnePage,
  removeAllFree,
  rmqueue,
} from '../../src/mem/buddy.js';
import { FREE_LISTS } from '../../src/mem/free-area.js';

interface Heap {
  readonly table: FolioTable;
  readonly zone: Zone;
}

function heapOf(pages: number): Heap {
  const span = Math.ceil(pages / 1024) * 1024;
  const table = new FolioTable(span, FREE_LISTS);
  const zone = new Zone(0, 0, ZONE_NORMAL, 0, pages);
  addFreeRange(table, zone, 0, pages);
  return { table, zone };
}

function blocks(zone: Zone): Record<number, number> {
  return Object.fromEntries([...buddyinfo(zone).entries()].filter(([, count]) => count > 0));
}

/** A block of movable memory. */
function take({ table, zone }: Heap, order: number, migratetype = MIGRATE_MOVABLE): number {
  return rmqueue(table, zone, { order, migratetype, allocFlags: 0 });
}

/** Free pages, after every list and count was checked. */
function recount({ table, zone }: Heap): number {
  verifyZone(table, zone);
  return zone.freePages;
}

test('memory starts as the largest aligned blocks', () => {
  expect([
    blocks(heapOf(4096).zone),
    blocks(heapOf(1500).zone),
    blocks(heapOf(7).zone),
  ]).toMatchInlineSnapshot(`
    [
      {
        "10": 4,
      },
      {
        "10": 1,
        "2": 1,
        "3": 1,
        "4": 1,
        "6": 1,
        "7": 1,
        "8": 1,
      },
      {
        "0": 1,
        "1": 1,
        "2": 1,
      },
    ]
  `);
});

test('the smallest block that fits is split, its lower half handed out', () => {
  const heap = heapOf(1024);
  const first = take(heap, 0);
  const afterFirst = blocks(heap.zone);
  const second = take(heap, 0);
  const third = take(heap, 2);
  expect({ first, afterFirst, second, third, left: blocks(heap.zone) }).toMatchInlineSnapshot(`
    {
      "afterFirst": {
        "0": 1,
        "1": 1,
        "2": 1,
        "3": 1,
        "4": 1,
        "5": 1,
        "6": 1,
        "7": 1,
        "8": 1,
        "9": 1,
      },
      "first": 0,
      "left": {
        "1": 1,
        "3": 1,
        "4": 1,
        "5": 1,
        "6": 1,
        "7": 1,
        "8": 1,
        "9": 1,
      },
      "second": 1,
      "third": 4,
    }
  `);
});

test('a request for more than the largest free block fails and changes nothing', () => {
  const heap = heapOf(1024);
  take(heap, 0);
  const before = blocks(heap.zone);
  expect(take(heap, MAX_PAGE_ORDER)).toBe(-1);
  expect([blocks(heap.zone), heap.zone.freePages]).toEqual([before, 1023]);
});

test('a block does not merge beyond its zone', () => {
  const heap = heapOf(3);
  const pages = [0, 0, 0].map(() => take(heap, 0));
  for (const pfn of pages) freeOnePage(heap.table, heap.zone, pfn, 0);
  expect([pages, blocks(heap.zone)]).toMatchInlineSnapshot(`
    [
      [
        2,
        0,
        1,
      ],
      {
        "0": 1,
        "1": 1,
      },
    ]
  `);
});

test('a wholly free zone can be taken away and given back', () => {
  const heap = heapOf(3000);
  const pfn = take(heap, 3);
  expect(() => removeAllFree(heap.table, heap.zone)).toThrow('wholly free');
  freeOnePage(heap.table, heap.zone, pfn, 3);
  removeAllFree(heap.table, heap.zone);
  const gone = [blocks(heap.zone), heap.zone.managedPages, take(heap, 0)];
  addFreeRange(heap.table, heap.zone, 0, 3000);
  expect([gone, blocks(heap.zone), recount(heap)]).toMatchInlineSnapshot(`
    [
      [
        {},
        0,
        -1,
      ],
      {
        "10": 2,
        "3": 1,
        "4": 1,
        "5": 1,
        "7": 1,
        "8": 1,
        "9": 1,
      },
      3000,
    ]
  `);
});

describe('X8: conservation', () => {
  test.each([1, 2, 3, 4, 5, 6])('seed %i: any order of allocations and frees', (seed) => {
    const random = new Prng(seed);
    const heap = heapOf(500 + random.below(4000));
    const initial = blocks(heap.zone);
    const held: [pfn: number, order: number][] = [];
    const owner = new Map<number, number>();
    for (let step = 0; step < 1500; step++) {
      if (random.chance(0.55)) {
        const order = random.below(random.chance(0.8) ? 4 : 11);
        const pfn = take(heap, order);
        if (pfn < 0) continue;
        expect(pfn % (1 << order)).toBe(0);
        for (let at = pfn; at < pfn + (1 << order); at++) {
          expect(owner.has(at)).toBe(false);
          owner.set(at, step);
        }
        held.push([pfn, order]);
      } else if (held.length > 0) {
        const [[pfn, order] = [0, 0]] = held.splice(random.below(held.length), 1);
        for (let at = pfn; at < pfn + (1 << order); at++) owner.delete(at);
        freeOnePage(heap.table, heap.zone, pfn, order);
      }
      expect(heap.zone.freePages + owner.size).toBe(heap.zone.managedPages);
      if (step % 50 === 0) expect(recount(heap)).toBe(heap.zone.freePages);
    }
    for (const [pfn, order] of held) freeOnePage(heap.table, heap.zone, pfn, order);
    expect([blocks(heap.zone), recount(heap)]).toEqual([initial, heap.zone.managedPages]);
  });
});
