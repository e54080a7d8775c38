import { expect, test } from 'vitest';
import { compactHistogram, moveLatencies, quantileNs } from '../../src/record/latency.js';

const HISTOGRAM = { upperNs: [100, 200, 800], count: [90, 0, 10] };

test('a quantile is the latency that the share does not exceed', () => {
  const quantiles = [0, 0.5, 0.9, 0.91, 1].map((share) => quantileNs(HISTOGRAM, share));
  expect(quantiles).toEqual([100, 100, 100, 800, 800]);
  expect(quantileNs({ upperNs: [], count: [] }, 0.5)).toBe(0);
});

test('empty buckets are left out', () => {
  expect(compactHistogram(HISTOGRAM)).toEqual({ upperNs: [100, 800], count: [90, 10] });
});

test('moving accesses keeps their number, and never takes more than there are', () => {
  const moved = moveLatencies(HISTOGRAM, [
    { fromNs: 100, toNs: 250, count: 40 },
    { fromNs: 800, toNs: 1000, count: 99 },
  ]);
  expect(moved).toEqual({ upperNs: [100, 250, 1000], count: [50, 40, 10] });
});
