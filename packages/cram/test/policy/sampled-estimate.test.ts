import { Prng } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { looksCompressible, safeWritableFraction } from '../../src/index.js';

test('noise does not look compressible; zeroes, text and a few symbols do', () => {
  const prng = new Prng(1);
  const page = (byte: (at: number) => number): Uint8Array =>
    Uint8Array.from({ length: 4096 }, (_, at) => byte(at));
  expect({
    zeroes: looksCompressible(page(() => 0)),
    text: looksCompressible(page((at) => 97 + ((at * 7) % 26))),
    noise: looksCompressible(page(() => prng.below(256))),
    halfNoise: looksCompressible(page((at) => (at % 512 < 256 ? prng.below(256) : 0))),
  }).toEqual({ zeroes: true, text: true, noise: false, halfNoise: true });
});

test('the safe writable fraction is that of the table of H3', () => {
  const row = (fill: number): number[] =>
    [1.5, 2, 3, 4].map((ratio) => Math.round(safeWritableFraction(fill, ratio) * 1000) / 1000);
  expect([0.5, 0.7, 0.8, 0.9, 0.95].map(row)).toEqual([
    [1, 1, 0.5, 0.333],
    [0.857, 0.429, 0.214, 0.143],
    [0.5, 0.25, 0.125, 0.083],
    [0.222, 0.111, 0.056, 0.037],
    [0.105, 0.053, 0.026, 0.018],
  ]);
});
