import { cramSwap, writableFraction } from '@mm-lab/cram';
import { expect, test } from 'vitest';
import { integrityOf, runUnder, SAFE } from './policy-run.js';

test.for([1, 2, 3, 4])('CRAM as swap loses nothing, with demotion and without, seed %i', (seed) => {
  const machine = runUnder({ policy: [cramSwap()], seed, demotion: seed % 2 === 0 });
  const stats = machine.stats();
  expect(integrityOf(machine)).toEqual(SAFE);
  // With demotion a page comes in that way, or the node is closed for both.
  if (seed % 2 === 1) expect(stats['cram.swap_taken']).toBeGreaterThan(0);
  expect(stats['cram.promotions']).toBeGreaterThan(0);
  expect(stats['disk.pages_written']).toBeGreaterThan(0);
});

test('within a budget stores go on in place', () => {
  const policy = [cramSwap(), writableFraction({ budgetPages: 60 })];
  const machine = runUnder({ policy, seed: 1, demotion: false });
  expect(integrityOf(machine)).toEqual(SAFE);
  expect(machine.stats()['cram.writes_in_place']).toBeGreaterThan(0);
});

test('what a program leaves behind is reaped', () => {
  const machine = runUnder({
    policy: [cramSwap({ reapNs: 1_000_000 })],
    seed: 1,
    demotion: false,
    exits: true,
  });
  const before = machine.swap.used();
  machine.clock.advance(3_000_000);
  machine.verify();
  expect(before).toBeGreaterThan(0);
  expect(machine.swap.used()).toBe(0);
  expect(machine.stats()['cram.zombies_reaped']).toBeGreaterThanOrEqual(before);
  expect(integrityOf(machine)).toEqual(SAFE);
});
