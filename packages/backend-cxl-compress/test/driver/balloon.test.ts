import { balloon, noPressure, pressurePolicy } from '@mm-lab/cram';
import { expect, test } from 'vitest';
import { CAPACITY_PAGES, DEVICE, integrityOf, runUnder, SAFE } from './policy-run.js';

/** As many logical pages as the device would hold at 2.56:1; what is stored shrinks to half. */
const LATER_TREES = [
  balloon({ zratio: Math.round((1000 * 1024) / CAPACITY_PAGES), pollNs: 100_000 }),
  pressurePolicy(noPressure),
];

test.for([1, 2, 3])('a balloon and a gate lose nothing, seed %i', (seed) => {
  const machine = runUnder({ policy: LATER_TREES, seed });
  expect(integrityOf(machine)).toEqual(SAFE);
  expect(machine.stats()['cram.balloon_inflated']).toBeGreaterThan(0);
});

test('removing the driver empties the balloon and takes the node away', () => {
  const machine = runUnder({ policy: LATER_TREES, seed: 4, exits: true });
  machine.remove();
  machine.verify();
  expect(machine.nodes.pgdat(DEVICE).managedPages()).toBe(0);
});
