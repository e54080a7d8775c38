import {
  clockMisses,
  concatTraces,
  fifoMisses,
  hotColdTrace,
  listTrace,
  lruMisses,
  type PageTrace,
  phasedTrace,
  scanTrace,
  uniformTrace,
  zipfTrace,
} from '@mm-lab/workloads';
import { describe, expect, test } from 'vitest';
import { pagesOf } from '../helpers/reference-strings.js';
import { failureOf } from '../helpers/trace-failure.js';
import { rowsOf } from '../helpers/trace-rows.js';

const COMMON = { rows: 50_000, pages: 1000, seed: 42 };
const SMALL = { rows: 3000, pages: 1000 };

const GENERATORS: Readonly<Record<string, (seed: number) => PageTrace>> = {
  zipf: (seed) => zipfTrace({ ...SMALL, seed, alpha: 1 }),
  uniform: (seed) => uniformTrace({ ...SMALL, seed }),
  scan: (seed) => scanTrace({ ...SMALL, seed }),
  hotCold: (seed) => hotColdTrace({ ...SMALL, seed, hotPages: 0.1, hotAccesses: 0.9 }),
  phased: (seed) => phasedTrace({ ...SMALL, seed, phases: 5, hotPages: 100 }),
};

const share = (trace: PageTrace, holds: (vpn: number, row: number) => boolean) =>
  pagesOf(trace).filter(holds).length / trace.rows;

describe('every generator', () => {
  test.each(Object.keys(GENERATORS))('%s gives the same trace for the same seed only', (name) => {
    const make = GENERATORS[name]!;
    expect(make(1)).toEqual(make(1));
    expect(rowsOf(make(1))).not.toEqual(rowsOf(make(2)));
  });

  test('refuses options out of range', async () => {
    const failure = (changes: object) => failureOf(() => uniformTrace({ ...COMMON, ...changes }));
    expect([
      await failure({ rows: 0 }),
      await failure({ pages: 2 ** 25 }),
      await failure({ writeShare: 1.1 }),
      await failure({ firstVpn: 2 ** 36 }),
      await failureOf(() => zipfTrace({ ...COMMON, alpha: -1 })),
      await failureOf(() => phasedTrace({ ...COMMON, phases: 5, hotPages: 1001 })),
      await failureOf(() => hotColdTrace({ ...COMMON, hotPages: 2, hotAccesses: 1 })),
    ]).toMatchInlineSnapshot(`
      [
        "TRACE_BAD_OPTION rows is 0 (give a whole number from 1 to 67108864)",
        "TRACE_BAD_OPTION pages is 33554432 (give a whole number from 1 to 16777216)",
        "TRACE_BAD_OPTION writeShare is 1.1 (give a number from 0 to 1)",
        "TRACE_BAD_OPTION firstVpn is 68719476736 (give a whole number from 0 to 68719475736)",
        "TRACE_BAD_OPTION alpha is -1 (give a number from 0 to 8)",
        "TRACE_BAD_OPTION hotPages is 1001 (give a whole number from 1 to 1000)",
        "TRACE_BAD_OPTION hotPages is 2 (give a number from 0 to 1)",
      ]
    `);
  });

  test('takes times, first page and write share from its options', () => {
    const trace = uniformTrace({
      ...COMMON,
      writeShare: 0.5,
      instructionsPerRow: 7,
      firstVpn: 512,
      name: 'mine',
    });
    expect([trace.name, trace.timeQuantum, trace.t[2], Math.min(...pagesOf(trace))]).toEqual([
      'mine',
      7,
      14,
      512,
    ]);
    expect(share(trace, (_, row) => trace.op[row] === 2)).toBeCloseTo(0.5, 1);
  });
});

describe('zipfTrace', () => {
  test('draws ranks with their exact chance', () => {
    const trace = zipfTrace({ ...COMMON, rows: 200_000, alpha: 1, layout: 'ranked', firstVpn: 0 });
    const harmonic = Array.from({ length: 1000 }, (_, i) => 1 / (i + 1)).reduce((a, b) => a + b);
    for (const rank of [0, 1, 9, 99]) {
      const expected = 1 / (rank + 1) / harmonic;
      const found = share(trace, (vpn) => vpn === rank);
      const deviation = Math.sqrt((expected * (1 - expected)) / trace.rows);
      expect(Math.abs(found - expected)).toBeLessThan(4 * deviation);
    }
  });

  test('gives the miss ratios that theory predicts for LRU and FIFO (A4, A5)', () => {
    const cases = [
      { alpha: 1, frames: 100, lru: 0.494, fifo: 0.5485 },
      { alpha: 1, frames: 400, lru: 0.277, fifo: 0.3247 },
      { alpha: 0.8, frames: 100, lru: 0.713, fifo: 0.7497 },
      { alpha: 0.8, frames: 400, lru: 0.461, fifo: 0.5087 },
    ];
    for (const { alpha, frames, lru, fifo } of cases) {
      const trace = zipfTrace({ rows: 150_000, pages: 2000, alpha, seed: 1 });
      expect(Math.abs(lruMisses(trace, frames) / trace.rows / lru - 1)).toBeLessThan(0.01);
      expect(Math.abs(fifoMisses(trace, frames) / trace.rows / fifo - 1)).toBeLessThan(0.01);
    }
  });

  test('keeps CLOCK slightly below LRU and LRU below FIFO (A6)', () => {
    for (const alpha of [0.6, 0.8, 1, 1.2]) {
      const trace = zipfTrace({ rows: 150_000, pages: 2000, alpha, seed: 1 });
      const clock = clockMisses(trace, 100, { insertReferenced: false });
      const lru = lruMisses(trace, 100);
      expect(clock).toBeLessThan(lru);
      expect(lru).toBeLessThan(fifoMisses(trace, 100));
    }
  });

  test('is uniform with an exponent of 0', () => {
    const trace = zipfTrace({ ...COMMON, pages: 10, alpha: 0, layout: 'ranked', firstVpn: 0 });
    for (let page = 0; page < 10; page++) {
      expect(share(trace, (vpn) => vpn === page)).toBeCloseTo(0.1, 1);
    }
  });
});

describe('hotColdTrace', () => {
  test('splits accesses and stores as asked', () => {
    const trace = hotColdTrace({
      ...COMMON,
      firstVpn: 0,
      hotPages: 0.1,
      hotAccesses: 0.9,
      hotWriteShare: 0,
      coldWriteShare: 1,
    });
    expect(share(trace, (vpn) => vpn < 100)).toBeCloseTo(0.9, 1);
    expect(share(trace, (vpn, row) => vpn < 100 === (trace.op[row] === 1))).toBe(1);
  });
});

describe('phasedTrace', () => {
  test('moves its hot set from phase to phase', () => {
    const trace = phasedTrace({ ...COMMON, firstVpn: 0, phases: 5, hotPages: 100 });
    const phase = trace.rows / 5;
    for (const k of [0, 1, 4]) {
      const hot = pagesOf(trace)
        .slice(k * phase, (k + 1) * phase)
        .filter((vpn) => Math.floor(vpn / 100) === k);
      expect(hot.length / phase).toBeCloseTo(0.91, 1);
    }
  });
});

describe('scanTrace', () => {
  test('walks the pages in a circle', () => {
    expect(pagesOf(scanTrace({ rows: 5, pages: 3, seed: 1, firstVpn: 7 }))).toEqual([
      7, 8, 9, 7, 8,
    ]);
  });
});

describe('concatTraces', () => {
  test('puts traces one after the other in time', () => {
    const joined = concatTraces([listTrace([3, 4]), listTrace([4, 600])]);
    expect(rowsOf(joined)).toEqual(['0,3,R,1', '1,4,R,1', '2,4,R,1', '3,600,R,1']);
    expect([joined.pages, joined.accesses, joined.timeQuantum]).toEqual([3, 4, 1]);
  });

  test('needs a trace', async () => {
    expect(await failureOf(() => concatTraces([]))).toContain('TRACE_BAD_OPTION no trace');
  });
});
