import { clockMisses, fifoMisses, lruMisses, type PageTrace, zipfTrace } from '@mm-lab/workloads';
import { describe, expect, test } from 'vitest';

const PAGES = 2000;
/** References after the warm-up, which only fills memory. */
const COUNTED = 150_000;
const WARM = 20_000;
/** A page comes in unreferenced: only then CLOCK beats LRU here. */
const INSERT_CLEAR = { insertReferenced: false };

function zipf(exponent: number, rows: number): PageTrace {
  return zipfTrace({ pages: PAGES, rows, seed: 7, alpha: exponent });
}

/** Miss ratio of a policy on references drawn independently by Zipf's law, memory full. */
function ratio(policy: (trace: PageTrace, frames: number) => number, at: Point): number {
  const all = policy(zipf(at.exponent, WARM + COUNTED), at.frames);
  const cold = policy(zipf(at.exponent, WARM), at.frames);
  return (all - cold) / COUNTED;
}

interface Point {
  readonly exponent: number;
  readonly frames: number;
}

function probabilities(exponent: number): number[] {
  const weights = Array.from({ length: PAGES }, (_, rank) => (rank + 1) ** -exponent);
  const sum = weights.reduce((a, b) => a + b, 0);
  return weights.map((weight) => weight / sum);
}

/** Bisects a growing function on [0, 1e9] for its zero. */
function zeroOf(growing: (x: number) => number): number {
  let low = 0;
  let high = 1e9;
  for (let step = 0; step < 200; step++) {
    const middle = (low + high) / 2;
    if (growing(middle) < 0) low = middle;
    else high = middle;
  }
  return low;
}

/** Che, Tung, Wang 2002: a page stays for the characteristic time after its last use. */
function cheLru({ exponent, frames }: Point): number {
  const p = probabilities(exponent);
  const time = zeroOf((t) => p.reduce((sum, q) => sum + 1 - Math.exp(-q * t), 0) - frames);
  return p.reduce((sum, q) => sum + q * Math.exp(-q * time), 0);
}

/** RANDOM under independent references (Gelenbe 1973), which FIFO equals. */
function randomReplacement({ exponent, frames }: Point): number {
  const p = probabilities(exponent);
  const time = zeroOf((t) => p.reduce((sum, q) => sum + (q * t) / (1 + q * t), 0) - frames);
  return p.reduce((sum, q) => sum + q / (1 + q * time), 0);
}

const POINTS: readonly Point[] = [
  { exponent: 1, frames: 100 },
  { exponent: 1, frames: 400 },
  { exponent: 0.8, frames: 100 },
  { exponent: 0.8, frames: 400 },
];

describe('independent references', () => {
  test.each(POINTS)('A4: LRU misses as Che says, $exponent with $frames frames', (at) => {
    expect(Math.abs(ratio(lruMisses, at) / cheLru(at) - 1)).toBeLessThan(0.01);
  });

  test.each(POINTS)('A5: FIFO misses as RANDOM does, $exponent with $frames frames', (at) => {
    expect(Math.abs(ratio(fifoMisses, at) / randomReplacement(at) - 1)).toBeLessThan(0.01);
  });

  test.each([0.6, 0.8, 1, 1.2])('A6: CLOCK lies below LRU, and LRU below FIFO (%d)', (exponent) => {
    const at = { exponent, frames: 100 };
    const clock = ratio((trace, frames) => clockMisses(trace, frames, INSERT_CLEAR), at);
    const lru = ratio(lruMisses, at);
    expect(clock).toBeLessThan(lru);
    expect(lru).toBeLessThan(ratio(fifoMisses, at));
  });

  test('the closed forms are those of the literature', () => {
    expect(
      [...POINTS.map(cheLru), ...POINTS.map(randomReplacement)].map((x) => x.toFixed(3)),
    ).toEqual(['0.494', '0.277', '0.713', '0.461', '0.548', '0.325', '0.750', '0.509']);
  });
});
