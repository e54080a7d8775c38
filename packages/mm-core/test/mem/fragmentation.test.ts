import { describe, expect, test } from 'vitest';
import { PAGEBLOCK_PAGES, PMD_ORDER } from '../../src/abi/zone.js';
import { Prng } from '../../src/base/prng.js';
import {
  contigPageInfo,
  extfragForOrder,
  FRAGMENTATION_NONE,
  fragmentationIndex,
  freeBlockCensus,
  unusableFreeIndex,
} from '../../src/mem/fragmentation.js';

const PAGES = 2 ** 18;
const SEEDS = Array.from({ length: 12 }, (_, seed) => seed + 1);

/** Each page free with probability `q`, alone. */
function randomlyFree(q: number, seed: number): Uint8Array {
  const random = new Prng(seed);
  return Uint8Array.from({ length: PAGES }, () => (random.chance(q) ? 1 : 0));
}

function blocks(byOrder: Readonly<Record<number, number>>): readonly number[] {
  return Array.from({ length: 11 }, (_, order) => byOrder[order] ?? 0);
}

function mean(values: readonly number[]): number {
  return values.reduce((a, b) => a + b, 0) / values.length;
}

describe('X9: the indices are those the kernel computes', () => {
  test.each([
    ['1024 isolated pages', { 0: 1024 }, 9, 100, 998],
    ['128 blocks of order 3', { 3: 128 }, 4, 100, 493],
    ['ten free pages', { 0: 10 }, 9, 100, 899],
    ['a mix with one block of the order', { 0: 100, 3: 20, 9: 1 }, 9, 33, FRAGMENTATION_NONE],
  ])('%s', (_, byOrder, order, extfrag, index) => {
    const free = blocks(byOrder);
    expect([extfragForOrder(free, order), fragmentationIndex(free, order)]).toEqual([
      extfrag,
      index,
    ]);
  });

  test('nothing free is not fragmentation, yet nothing is usable', () => {
    const free = blocks({});
    expect([
      extfragForOrder(free, 9),
      fragmentationIndex(free, 9),
      unusableFreeIndex(free, 9),
    ]).toEqual([0, 0, 1000]);
  });

  test('a larger block counts as many of the wanted order', () => {
    expect(contigPageInfo(blocks({ 0: 3, 10: 2 }), 4)).toEqual({
      free_pages: 2051,
      free_blocks_total: 5,
      free_blocks_suitable: 128,
    });
    expect(unusableFreeIndex(blocks({ 0: 100, 3: 20, 9: 1 }), 9)).toBe(336);
  });

  test('block counts of a terabyte do not overflow', () => {
    const free = blocks({ 0: 2 ** 20, 10: 2 ** 18 });
    expect(contigPageInfo(free, 0).free_pages).toBe(2 ** 28 + 2 ** 20);
    expect(unusableFreeIndex(free, 9)).toBe(3);
  });
});

describe('the census of free pages', () => {
  test('merges aligned pairs only', () => {
    const isFree = new Uint8Array(2048);
    isFree.fill(1, 1, 9); // pages 1..8: 1, {2,3}, {4..7}, 8
    isFree.fill(1, 1024, 2048);
    expect([...freeBlockCensus(isFree)]).toEqual([2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 1]);
  });

  test('loses no page', () => {
    for (const q of [0, 0.3, 0.9, 0.999, 1]) {
      const isFree = randomlyFree(q, 7);
      const pages = isFree.reduce((sum, free) => sum + free, 0);
      expect(contigPageInfo(freeBlockCensus(isFree), 0).free_pages).toBe(pages);
    }
  });
});

describe('A7: unusable free space of randomly free pages is 1 - q^(2^k - 1)', () => {
  test.each([
    { order: 9, q: 0.99, expected: 0.994, points: 8 },
    { order: 9, q: 0.999, expected: 0.4, points: 8 },
    { order: 4, q: 0.9, expected: 0.794, points: 1 },
    { order: 4, q: 0.99, expected: 0.14, points: 1 },
  ])('order $order at q = $q', ({ order, q, expected, points }) => {
    const exact = 1 - q ** (2 ** order - 1);
    const gaps = SEEDS.map((seed) => {
      const free = freeBlockCensus(randomlyFree(q, seed));
      const { free_pages, free_blocks_suitable } = contigPageInfo(free, order);
      const unusable = 1 - (free_blocks_suitable * 2 ** order) / free_pages;
      expect(unusableFreeIndex(free, order)).toBe(Math.floor(unusable * 1000));
      return (unusable - exact) * 100;
    });
    expect(exact).toBeCloseTo(expected, 3);
    expect(Math.max(...gaps.map(Math.abs))).toBeLessThan(points);
    // Twelve seeds together are 3.5 times sharper than one.
    expect(Math.abs(mean(gaps))).toBeLessThan(points / 2);
  });
});

describe('A8: a pageblock with pinned fraction p is clear with probability (1 - p)^512', () => {
  test.each([
    { p: 0.001, expected: 0.6 },
    { p: 0.005, expected: 0.077 },
    { p: 0.01, expected: 0.006 },
  ])('p = $p', ({ p, expected }) => {
    const clear = SEEDS.map((seed) => {
      const census = freeBlockCensus(randomlyFree(1 - p, 100 + seed));
      return contigPageInfo(census, PMD_ORDER).free_blocks_suitable / (PAGES / PAGEBLOCK_PAGES);
    });
    expect((1 - p) ** PAGEBLOCK_PAGES).toBeCloseTo(expected, 2);
    expect(Math.max(...clear.map((x) => Math.abs(x - expected)))).toBeLessThan(0.08);
    expect(Math.abs(mean(clear) - expected)).toBeLessThan(0.03);
  });
});
