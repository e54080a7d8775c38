import { tokenBucket, writableFraction } from '@mm-lab/cram';
import { expect, test } from 'vitest';
import { CAPACITY_PAGES, integrityOf, runUnder, SAFE } from './policy-run.js';

/**
 * Entry stops at the low mark, at 60 % of the capacity, and what is late fits in 10 % more: what is
 * left holds this many pages raw.
 */
const ROOM_PAGES = Math.floor(0.3 * CAPACITY_PAGES);

test.for([1, 2, 3])('a writable budget within the room loses nothing, seed %i', (seed) => {
  const policy = [writableFraction({ budgetPages: ROOM_PAGES })];
  const machine = runUnder({ policy, seed });
  const stats = machine.stats();
  expect(integrityOf(machine)).toEqual(SAFE);
  expect(stats['cram.writes_in_place']).toBeGreaterThan(0);
  expect(stats['cram.writable_bitmap_bytes']).toBe(1024 / 8);
});

test('a budget of 0 is the model of v4: no store goes on in place', () => {
  const stats = runUnder({ policy: [writableFraction({ budgetPages: 0 })], seed: 1 }).stats();
  const plain = runUnder({ policy: [], seed: 1 }).stats();
  expect(stats['cram.writes_in_place']).toBe(0);
  expect(stats['cram.promotions']).toBe(plain['cram.promotions']);
});

test('pressure takes the writable pages back', () => {
  const policy = [writableFraction({ budgetPages: ROOM_PAGES, revokeAt: 1000 })];
  expect(runUnder({ policy, seed: 1 }).stats()['cram.writes_revoked']).toBeGreaterThan(0);
});

test.for([1, 2, 3])('tokens of the device lose nothing, seed %i', (seed) => {
  const policy = [
    tokenBucket({
      tokens: ROOM_PAGES,
      periodNs: 1_000_000,
      entryBytes: 0.7 * CAPACITY_PAGES * 4096,
    }),
  ];
  const machine = runUnder({ policy, seed });
  const stats = machine.stats();
  expect(integrityOf(machine)).toEqual(SAFE);
  expect(stats['cram.tokens_granted']).toBeGreaterThan(0);
  expect(stats['cram.writes_in_place']).toBeGreaterThan(0);
});

test('when the control path dies no tokens come and no store goes on in place any more', () => {
  const options = { tokens: ROOM_PAGES, periodNs: 1_000_000, controlPathDiesNs: 0 };
  const machine = runUnder({ policy: [tokenBucket(options)], seed: 1 });
  expect(machine.stats()['cram.writes_in_place']).toBe(0);
  expect(integrityOf(machine)).toEqual(SAFE);
});
