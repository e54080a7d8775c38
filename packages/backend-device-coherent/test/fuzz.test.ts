import { diskSwap } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { type FuzzOperation, fuzzMachine, WINDOW_PAGES } from '@mm-lab/testkit';
import { expect, test } from 'vitest';
import { type DeviceCoherentPlugin, deviceCoherent } from '../src/index.js';

/** The user's ioctl, either way, on a random range. */
function ioctl(driver: DeviceCoherentPlugin): FuzzOperation {
  return {
    name: 'ioctl',
    always: true,
    weight: 4,
    run: ({ machine, random }, { task, base }) => {
      const start = random.below(WINDOW_PAGES);
      const pages = 1 + random.below(WINDOW_PAGES - start);
      const isIn = random.chance(0.6);
      const result = isIn
        ? driver.migrateToDevice(task.mm, base + start, pages)
        : driver.migrateToSystem(task.mm, base + start, pages);
      machine.spend();
      return `${isIn ? 'in' : 'out'} ${start} ${pages}: ${JSON.stringify(result)}`;
    },
  };
}

function fuzz(seed: number, steps: number): Readonly<Record<string, number>> {
  const driver = deviceCoherent({ nid: 1, whenFull: seed % 3 === 0 ? 'evict' : 'stay' });
  const swap = seed % 2 === 0 ? [diskSwap({ pages: 4096 })] : [];
  const { stats } = fuzzMachine({
    seed,
    steps,
    nodes: [
      { id: 0, pages: 700 + 100 * (seed % 9), cpus: 2 },
      { id: 1, pages: 200 + 60 * (seed % 5), online: false, lineNs: 300 },
    ],
    plugins: [nodePrivate(), driver, ...swap],
    operations: [ioctl(driver)],
  });
  return stats;
}

test('the testkit’s fuzzer finds nothing', () => {
  let moved = 0;
  for (let seed = 1; seed <= 12; seed++) {
    const stats = fuzz(seed, 300);
    expect(stats['isolation.leaked_allocations']).toBe(0);
    moved += stats['device_coherent.moved_in'] ?? 0;
  }
  expect(moved).toBeGreaterThan(200);
});
