import { expect, test } from 'vitest';
import { runFenceProgram } from './fence-program.ts';
import { WAYS, type Way } from './fence-world.ts';
import { MENDED_FOR_CRAM } from './kit.ts';
import type { Cause } from './store-causes.ts';

const SEEDS = Array.from({ length: 12 }, (_, at) => 1000 + at);

/** What may make the device fuller: pages on their way in, and the kernel's own writes. */
const ALLOWED: readonly Cause[] = ['demotion', 'other migration', 'kernel write'];
const taken = new Map<Way, number>();

test.each(SEEDS)('mended, no generated program makes the device fuller, seed %i', (seed) => {
  const world = runFenceProgram({ nodePrivate: MENDED_FOR_CRAM, huge: seed % 4 === 0 }, seed, 100);
  for (const [way, times] of world.taken) taken.set(way, (taken.get(way) ?? 0) + times);
  const stats = world.lab.machine.stats();
  const grew = [...world.causes.counts].filter(([, count]) => count.increases > 0);
  const caused = grew.map(([cause]) => cause).filter((cause) => !ALLOWED.includes(cause));
  expect({
    caused,
    hole: world.hole(),
    holes: [...world.causes.holes],
    lost: stats['integrity.lost_pages'],
    stale: stats['integrity.stale_reads'],
    leaked: stats['integrity.leaked_pages'],
  }).toEqual({
    caused: [],
    hole: { stores: 0, bytes: 0 },
    holes: [],
    lost: 0,
    stale: 0,
    leaked: 0,
  });
});

test('those programs took every way that may lead around the fence', () => {
  expect(WAYS.filter((way) => (taken.get(way) ?? 0) === 0)).toEqual([]);
});

test('without the fence the same programs make it fuller, nearly all of them', () => {
  const stores = SEEDS.slice(0, 6).map((seed) => {
    return runFenceProgram({ nodePrivate: MENDED_FOR_CRAM, fence: 'down' }, seed, 100).hole()
      .stores;
  });
  expect(stores.filter((count) => count > 0).length).toBeGreaterThanOrEqual(4);
});

test('the watcher sees what the fence of v4 lets through', () => {
  const seeds = SEEDS.slice(0, 4);
  const stores = seeds.map((seed) => runFenceProgram({ nodePrivate: {} }, seed, 100).hole().stores);
  expect(Math.max(...stores)).toBeGreaterThan(0);
});
