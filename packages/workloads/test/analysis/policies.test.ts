import {
  clockMisses,
  fifoMisses,
  listTrace,
  lruMisses,
  optMisses,
  scanTrace,
} from '@mm-lab/workloads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { naiveClock, naiveDistances, naiveFifo, naiveOpt } from '../helpers/naive-policies.js';
import { anomaly, BELADY, TEXTBOOK } from '../helpers/reference-strings.js';
import { failureOf } from '../helpers/trace-failure.js';

const REFERENCES = fc.array(fc.nat(12), { minLength: 1, maxLength: 120 });

describe('replacement policies', () => {
  test("X1: Belady's string", () => {
    const frames = [1, 2, 3, 4, 5];
    expect({
      fifo: frames.map((f) => fifoMisses(BELADY, f)),
      lru: frames.map((f) => lruMisses(BELADY, f)),
      opt: frames.map((f) => optMisses(BELADY, f)),
    }).toEqual({
      fifo: [12, 12, 9, 10, 5],
      lru: [12, 12, 10, 8, 5],
      opt: [12, 9, 7, 6, 5],
    });
  });

  test('X2: the textbook string', () => {
    expect({
      fifo: [3, 4].map((f) => fifoMisses(TEXTBOOK, f)),
      lru: [3, 4].map((f) => lruMisses(TEXTBOOK, f)),
      opt: [3, 4].map((f) => optMisses(TEXTBOOK, f)),
    }).toEqual({ fifo: [15, 10], lru: [12, 8], opt: [9, 8] });
  });

  test('X3: an anomaly that repeats: 13 k faults on 3 frames, 14 k on 4', () => {
    for (const k of [1, 2, 3, 10]) {
      expect([3, 4].map((f) => fifoMisses(anomaly(k), f))).toEqual([13 * k, 14 * k]);
    }
  });

  test('X4: CLOCK depends on the referenced bit at insertion', () => {
    const clock = (trace: typeof BELADY, insertReferenced: boolean) =>
      [3, 4].map((f) => clockMisses(trace, f, { insertReferenced }));
    expect([clock(BELADY, true), clock(BELADY, false)]).toEqual([
      [9, 10],
      [10, 8],
    ]);
    expect([clock(TEXTBOOK, true), clock(TEXTBOOK, false)]).toEqual([
      [14, 9],
      [11, 8],
    ]);
  });

  test('X6: a cyclic scan larger than memory misses always, but not under OPT', () => {
    const cases = [
      { pages: 10, frames: 5, opt: 60 },
      { pages: 10, frames: 9, opt: 20 },
      { pages: 100, frames: 50, opt: 550 },
    ];
    for (const { pages, frames, opt } of cases) {
      const scan = scanTrace({ pages, rows: pages * 10, seed: 1 });
      expect([lruMisses(scan, frames), fifoMisses(scan, frames), optMisses(scan, frames)]).toEqual([
        scan.rows,
        scan.rows,
        opt,
      ]);
    }
  });

  test('X7: OPT is a lower bound, and neither OPT nor LRU gets worse with more frames', () => {
    fc.assert(
      fc.property(REFERENCES, (pages) => {
        const trace = listTrace(pages);
        let before = { opt: Infinity, lru: Infinity };
        for (let frames = 1; frames <= 14; frames++) {
          const now = { opt: optMisses(trace, frames), lru: lruMisses(trace, frames) };
          const others = [
            fifoMisses(trace, frames),
            clockMisses(trace, frames, { insertReferenced: true }),
            clockMisses(trace, frames, { insertReferenced: false }),
          ];
          expect(Math.min(now.lru, ...others)).toBeGreaterThanOrEqual(now.opt);
          expect(now.opt).toBeLessThanOrEqual(before.opt);
          expect(now.lru).toBeLessThanOrEqual(before.lru);
          before = now;
        }
      }),
    );
  });

  test('equal the plainest implementation on any string', () => {
    fc.assert(
      fc.property(REFERENCES, fc.integer({ min: 1, max: 14 }), (pages, frames) => {
        const trace = listTrace(pages);
        const hits = naiveDistances(pages).filter((d) => d > 0 && d <= frames).length;
        expect({
          lru: lruMisses(trace, frames),
          fifo: fifoMisses(trace, frames),
          opt: optMisses(trace, frames),
          clock1: clockMisses(trace, frames, { insertReferenced: true }),
          clock0: clockMisses(trace, frames, { insertReferenced: false }),
        }).toEqual({
          lru: pages.length - hits,
          fifo: naiveFifo(pages, frames),
          opt: naiveOpt(pages, frames),
          clock1: naiveClock(pages, frames, true),
          clock0: naiveClock(pages, frames, false),
        });
      }),
      { numRuns: 300 },
    );
  });

  test('refuse a number of frames that is none', async () => {
    expect(await failureOf(() => lruMisses(BELADY, 0))).toBe(
      'TRACE_BAD_OPTION frames is 0 (give a whole number from 1 to 9007199254740991)',
    );
  });
});
