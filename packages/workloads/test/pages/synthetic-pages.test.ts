import {
  type BoundedPageData,
  driftingPages,
  type RatioDistribution,
  syntheticPages,
} from '@mm-lab/workloads';
import { describe, expect, test } from 'vitest';
import { failureOf } from '../helpers/trace-failure.js';

/** Ratios of `count` pages, each written once at that progress. */
function ratios(pages: BoundedPageData, count: number, progress = 0): number[] {
  return Array.from({ length: count }, (_, vpn) => {
    return 4096 / pages.compressedSize(pages.keyOf(vpn, vpn, progress), 'lz4', 4096);
  });
}

const mean = (numbers: readonly number[]) =>
  numbers.reduce((sum, number) => sum + number, 0) / numbers.length;

const fixed = (ratio: number): RatioDistribution => ({ kind: 'fixed', ratio });

describe('syntheticPages', () => {
  test('reach a fixed ratio', () => {
    for (const ratio of [1, 1.2, 2, 3, 5, 10, 20]) {
      const made = ratios(syntheticPages({ ratio: fixed(ratio), seed: 5 }), 50);
      expect(Math.abs(mean(made) / ratio - 1)).toBeLessThan(0.03);
    }
  });

  test('keep about that ratio when a device compresses smaller blocks', () => {
    const pages = syntheticPages({ ratio: fixed(2), seed: 5 });
    for (const blockBytes of [2048, 1024]) {
      const size = pages.compressedSize(pages.keyOf(7, 1, 0), 'lz4', blockBytes);
      expect(4096 / size).toBeGreaterThan(1.6);
    }
  });

  test('follow a bimodal distribution', () => {
    const ratio = { kind: 'bimodal', low: 1, high: 3, lowShare: 0.31 } as const;
    const made = ratios(syntheticPages({ ratio, seed: 5 }), 2000);
    const low = made.filter((r) => r < 1.01).length / made.length;
    expect(low).toBeGreaterThan(0.28);
    expect(low).toBeLessThan(0.34);
    expect(mean(made.filter((r) => r >= 1.01))).toBeCloseTo(3, 1);
  });

  test('follow a lognormal distribution', () => {
    const ratio = { kind: 'lognormal', median: 2.8, sigma: 0.3 } as const;
    const logs = ratios(syntheticPages({ ratio, seed: 5 }), 3000).map(Math.log);
    const center = mean(logs);
    const deviation = Math.sqrt(mean(logs.map((log) => (log - center) ** 2)));
    expect(Math.exp(center)).toBeCloseTo(2.8, 1);
    expect(deviation).toBeCloseTo(0.3, 1);
  });

  test('keep the ratio of a page and change its bytes with each version', () => {
    const ratio = { kind: 'lognormal', median: 2.8, sigma: 0.5 } as const;
    const pages = syntheticPages({ ratio, seed: 5 });
    const keys = new Set(Array.from({ length: 100 }, (_, version) => pages.keyOf(4, version, 0)));
    const contents = new Set<string>();
    const out = new Uint8Array(4096);
    for (const key of keys) {
      pages.render(key, out);
      contents.add(Buffer.from(out).toString('latin1'));
    }
    expect([keys.size, contents.size]).toEqual([8, 8]);
  });

  test('leave a share of the pages zero', () => {
    const pages = syntheticPages({ ratio: fixed(2), seed: 5, zeroShare: 0.25 });
    const keys = Array.from({ length: 2000 }, (_, vpn) => pages.keyOf(vpn, vpn, 0));
    const share = keys.filter((key) => key === 0).length / keys.length;
    expect(share).toBeGreaterThan(0.22);
    expect(share).toBeLessThan(0.28);
  });

  test('give equal bytes for equal seeds only', () => {
    const draw = (seed: number) => {
      const out = new Uint8Array(4096);
      syntheticPages({ ratio: fixed(2), seed }).render(12345, out);
      return Buffer.from(out).toString('latin1');
    };
    expect(draw(1)).toBe(draw(1));
    expect(draw(1)).not.toBe(draw(2));
  });

  test('refuse options out of range', async () => {
    const failure = (changes: object) =>
      failureOf(() => syntheticPages({ ratio: fixed(2), seed: 1, ...changes }));
    expect([
      await failure({ ratio: fixed(0.5) }),
      await failure({ ratio: { kind: 'bimodal', low: 1, high: 3, lowShare: 2 } }),
      await failure({ zeroShare: -1 }),
      await failureOf(() =>
        driftingPages({
          ...{ ratio: fixed(2), seed: 1, toRatio: 1, start: 0, end: 1, pageShare: 1 },
          ...{ pages: 2 ** 24, variants: 64 },
        }),
      ),
      await failure({ pages: 2 ** 24, variants: 65 }),
    ]).toMatchInlineSnapshot(`
      [
        "TRACE_BAD_OPTION ratio is 0.5 (give a number from 1 to 40)",
        "TRACE_BAD_OPTION lowShare is 2 (give a number from 0 to 1)",
        "TRACE_BAD_OPTION zeroShare is -1 (give a number from 0 to 1)",
        "TRACE_BAD_OPTION the number of contents is 17179869185 (give a whole number from 1 to 2147483647)",
        "TRACE_BAD_OPTION variants is 65 (give a whole number from 1 to 64)",
      ]
    `);
  });
});

describe('driftingPages', () => {
  const options = { ratio: fixed(3), seed: 8, toRatio: 1, start: 0.4, end: 0.6 };

  test('turn a share of the pages incompressible while the program writes', () => {
    const pages = driftingPages({ ...options, pageShare: 0.5 });
    const low = (progress: number) =>
      ratios(pages, 1000, progress).filter((ratio) => ratio < 1.01).length / 1000;
    expect(low(0.3)).toBe(0);
    expect(low(0.7)).toBeGreaterThan(0.45);
    expect(low(0.7)).toBeLessThan(0.55);
  });

  test('go from ratio to ratio in steps', () => {
    const pages = driftingPages({ ...options, pageShare: 1 });
    const path = [0.39, 0.45, 0.5, 0.55, 0.61].map((at) => mean(ratios(pages, 20, at)));
    const expected = [3, 2.47, 1.93, 1.4, 1];
    for (const [i, ratio] of path.entries()) {
      expect(Math.abs(ratio / expected[i]! - 1)).toBeLessThan(0.05);
    }
  });

  test('leave what was written before as it was', () => {
    const pages = driftingPages({ ...options, pageShare: 1 });
    const key = pages.keyOf(3, 1, 0.2);
    const before = pages.compressedSize(key, 'lz4', 4096);
    pages.keyOf(3, 2, 0.9);
    expect(pages.compressedSize(key, 'lz4', 4096)).toBe(before);
  });
});
