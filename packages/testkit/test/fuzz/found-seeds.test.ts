import { diskSwap } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { everySize, fuzzMachine } from '../../src/index.js';

/** What a million classic steps once found, by seed; each failed before its fix. */
const FOUND = [
  { seed: 210, steps: 326, what: 'a copy that unmapped what it copied began anew for ever' },
  {
    seed: 1028,
    steps: 200,
    what: 'a fork whose parent was killed meanwhile gave a child without pages',
  },
];

test.each(FOUND)('seed $seed: $what', ({ seed, steps }) => {
  expect(fuzzMachine({ seed, steps, classic: true }).steps).toBe(steps);
});

test('a page whose poison was met, then watched by a userfaultfd, is not poisoned again', () => {
  expect(fuzzMachine({ seed: 801140, steps: 157 }).steps).toBe(157);
});

test('a read of a file whose page the model lost sight of may find anything', () => {
  expect(fuzzMachine({ seed: 147001101, steps: 304 }).steps).toBe(304);
});

test('ksmd does not take the zero page that a split left for the page with frame 0', () => {
  expect(fuzzMachine({ seed: 161002236, steps: 367 }).steps).toBe(367);
});

test('a fault does not read in what zswap wrote back while its page was allocated', () => {
  const zswap = { enabled: true, max_pool_percent: 90 };
  const nodes = [{ id: 0, pages: 215, cpus: 2 }];
  const plugins = [everySize, diskSwap({ pages: 4096 })];
  const options = { nodes, plugins, zswap, sysctl: { swappiness: 200 } };
  expect(fuzzMachine({ seed: 67001195, steps: 201, ...options }).steps).toBe(201);
});
