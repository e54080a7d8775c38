import { expect, test } from 'vitest';
import { MADV_PAGEOUT, type SwapCodec, TableCostModel, zramSwap } from '../../src/index.js';
import { compressible } from '../compressible.js';
import { machineOf } from '../machine-of.js';

/**
 * V3 of the validation ladder: a swap-in from zram, random touch, no readahead. Published: the
 * whole fault, the codec's part of it, and that part as a share (source S15 of the specification).
 */
const PUBLISHED: readonly (readonly [SwapCodec, totalNs: number, codecPercent: number])[] = [
  ['lz4', 3250, 41],
  ['lzo-rle', 3700, 47],
  ['zstd', 6480, 69],
];
const PAGES = 300;

/** Mean time of a fault that brings a page in, in a random order. */
function swapInNs(codec: SwapCodec): number {
  const machine = machineOf({
    plugins: [compressible((vpn) => 800 + (vpn % 7) * 200), zramSwap({ pages: 512, codec })],
  });
  const task = machine.createTask('t');
  task.mmap(0, PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  task.madvise(0, PAGES, MADV_PAGEOUT);
  const before = machine.clock.now;
  // 7 is prime to 300: every page once, none after its neighbour.
  for (let at = 0; at < PAGES; at++) task.read((at * 7) % PAGES);
  expect(machine.stats()['fault.major']).toBe(PAGES);
  return (machine.clock.now - before) / PAGES - machine.cost.ns.dramLine;
}

test.for(PUBLISHED)('V3: a swap-in through %s costs what was published', (row) => {
  const [codec, totalNs, codecPercent] = row;
  const ns = swapInNs(codec);
  const share = (100 * new TableCostModel().decompressNs(codec)) / ns;
  expect(Math.abs(ns / totalNs - 1), `${codec}: ${ns} ns`).toBeLessThan(0.1);
  expect(Math.abs(share - codecPercent), `${codec}: ${share} %`).toBeLessThan(5);
});
