import { expect, test } from 'vitest';
import { runFenceProgram } from './fence-world.ts';
import { MENDED } from './kit.ts';

const SEEDS = Array.from({ length: 12 }, (_, at) => 1000 + at);

test.each(SEEDS)('mended, no generated program makes the device fuller, seed %i', (seed) => {
  const world = runFenceProgram({ nodePrivate: MENDED, huge: seed % 6 === 0 }, seed, 100);
  const stats = world.lab.machine.stats();
  expect({
    hole: world.hole(),
    holes: [...world.causes.holes],
    lost: stats['integrity.lost_pages'],
    stale: stats['integrity.stale_reads'],
    leaked: stats['integrity.leaked_pages'],
  }).toEqual({ hole: { stores: 0, bytes: 0 }, holes: [], lost: 0, stale: 0, leaked: 0 });
});

test('the watcher sees what the fence of v4 lets through', () => {
  const seeds = SEEDS.slice(0, 4);
  const stores = seeds.map((seed) => runFenceProgram({ nodePrivate: {} }, seed, 100).hole().stores);
  expect(Math.max(...stores)).toBeGreaterThan(0);
});
