import { expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import { sizeClasses } from '../../src/mm/zs-class.js';
import { ZsPool } from '../../src/mm/zsmalloc.js';

/** A pool of its own numbered pages, as many as it likes or up to `most`. */
function poolOf(most = Infinity): { pool: ZsPool; held: Set<number> } {
  const held = new Set<number>();
  let next = 0;
  const pool = new ZsPool(
    () => {
      if (held.size >= most) return -1;
      held.add(next);
      return next++;
    },
    (pfn) => held.delete(pfn),
  );
  return { pool, held };
}

test('255 sizes share the classes of the kernel with chains of up to 8 pages', () => {
  const classes = sizeClasses();
  const own = [...new Set(classes)];
  const shown = [0, 1, 60, 125, 200, 226, 227, 254].map((at) => {
    const { bytes, pagesPerZspage, objectsPerZspage } = classes[at] ?? own[0]!;
    return `${bytes} ${pagesPerZspage} ${objectsPerZspage}`;
  });
  expect([classes.length, own.length, shown, poolOf().pool.hugeClassSize]).toMatchInlineSnapshot(`
    [
      255,
      119,
      [
        "32 1 128",
        "48 3 256",
        "992 8 33",
        "2048 1 2",
        "3264 4 5",
        "4096 1 1",
        "4096 1 1",
        "4096 1 1",
      ],
      3625,
    ]
  `);
});

test('objects of one class fill a chain of pages before the next is taken', () => {
  const { pool, held } = poolOf();
  const pages = Array.from({ length: 5 }, () => {
    for (let at = 0; at < 4; at++) pool.malloc(1000, 0);
    return pool.pages;
  });
  expect(pages).toMatchInlineSnapshot(`
    [
      1,
      2,
      3,
      4,
      5,
    ]
  `);
  expect(held.size).toBe(pool.pages);
  expect(pool.verify()).toBe(20);
});

test('compaction packs objects together and gives the pages back', () => {
  const { pool, held } = poolOf();
  const handles = Array.from({ length: 256 }, () => pool.malloc(2000, 0));
  handles.forEach((handle, at) => {
    if (at % 4 !== 0) pool.free(handle);
  });
  const before = pool.pages;
  const could = pool.compactable();
  expect({ before, could, freed: pool.compact(), left: held.size }).toMatchInlineSnapshot(`
    {
      "before": 64,
      "could": 32,
      "freed": 32,
      "left": 32,
    }
  `);
  expect(pool.verify()).toBe(64);
});

test('a chain that memory does not suffice for is given back', () => {
  const { pool, held } = poolOf(2);
  expect([pool.malloc(4000, 0), pool.malloc(3000, 0), held.size]).toEqual([1, -12, 1]);
});

test('any order of mallocs, frees and compactions keeps the counts', () => {
  const random = new Prng(7);
  const { pool, held } = poolOf(500);
  const live: number[] = [];
  for (let step = 0; step < 20_000; step++) {
    if (live.length === 0 || random.chance(0.51)) {
      const handle = pool.malloc(1 + random.below(4096), 0);
      if (handle > 0) live.push(handle);
    } else {
      const [handle] = live.splice(random.below(live.length), 1);
      if (handle !== undefined) pool.free(handle);
    }
    if (step % 1000 === 0) pool.compact();
    if (step % 100 === 0) expect([pool.verify(), held.size]).toEqual([live.length, pool.pages]);
  }
  for (const handle of live) pool.free(handle);
  expect([pool.pages, held.size]).toEqual([0, 0]);
});
