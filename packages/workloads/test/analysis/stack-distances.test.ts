import {
  listTrace,
  lruMisses,
  missCurve,
  missesAt,
  openTrace,
  readDescription,
  SHIPPED_TRACES,
  shippedTrace,
  stackDistances,
  zipfTrace,
} from '@mm-lab/workloads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { naiveDistances } from '../helpers/naive-policies.js';
import { BELADY, pagesOf, TEXTBOOK } from '../helpers/reference-strings.js';

/** Distances as an object without the zeros. */
function histogram(counts: Float64Array): Record<number, number> {
  return Object.fromEntries([...counts.entries()].filter(([, count]) => count > 0));
}

describe('stackDistances', () => {
  test('X5: the distances of the known strings', () => {
    const belady = stackDistances(BELADY);
    const textbook = stackDistances(TEXTBOOK);
    expect([histogram(belady.counts), belady.cold]).toEqual([{ 3: 2, 4: 2, 5: 3 }, 5]);
    expect([histogram(textbook.counts), textbook.cold]).toEqual([
      { 2: 3, 3: 5, 4: 4, 5: 1, 6: 1 },
      6,
    ]);
  });

  test('X5: faults of every memory size follow from the distances', () => {
    const references = fc.array(fc.nat(30), { minLength: 1, maxLength: 400 });
    fc.assert(
      fc.property(references, (pages) => {
        const trace = listTrace(pages);
        const distances = stackDistances(trace);
        const naive = naiveDistances(pages);
        const curve = missCurve(distances);
        for (let frames = 1; frames <= 32; frames++) {
          const hits = naive.filter((d) => d > 0 && d <= frames).length;
          expect(missesAt(distances, frames)).toBe(pages.length - hits);
          expect(curve[Math.min(frames, trace.pages)]).toBe(pages.length - hits);
          expect(lruMisses(trace, frames)).toBe(pages.length - hits);
        }
      }),
    );
  });

  test('hold when the moments of the tree are renumbered many times', () => {
    const trace = zipfTrace({ rows: 20_000, pages: 20, alpha: 0.5, seed: 3 });
    const naive = naiveDistances(pagesOf(trace));
    const expected = new Float64Array(trace.pages + 1);
    for (const d of naive) if (d > 0) expected[d] = expected[d]! + 1;
    expect(stackDistances(trace).counts).toEqual(expected);
  });

  test.each(SHIPPED_TRACES)(
    'of %s give every LRU point of its recorder exactly, and so does the replay',
    async (name) => {
      const files = shippedTrace(name);
      const trace = await openTrace(files.trace, { ops: 'all' });
      const { lru, rows } = await readDescription(files.description);
      const distances = stackDistances(trace);
      const points = lru.points.map(({ pages }) => ({
        pages,
        distances: missesAt(distances, pages),
        replay: lruMisses(trace, pages),
      }));
      expect(points).toEqual(
        lru.points.map(({ pages, reduced }) => ({ pages, distances: reduced, replay: reduced })),
      );
      expect([distances.rows, distances.cold]).toEqual([rows, lru.cold]);
    },
  );
});
