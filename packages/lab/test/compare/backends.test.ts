import { createMachine, MADV_PAGEOUT } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { BACKEND_NAMES, BACKENDS, type Backend } from '../../src/compare/backends.js';

const SIZES = {
  workloadPages: 1024,
  dramPages: 1024,
  devicePages: 1024,
  physicalBytes: 1024 * 4096,
};

/** Machines of a backend as `mm-lab compare` makes them, with memory that went to swap. */
function swappedOut(name: (typeof BACKEND_NAMES)[number]): Readonly<Record<string, number>> {
  const backend: Backend = BACKENDS[name];
  const { nodes = [], ...rest } = backend.machine(SIZES);
  const machine = createMachine({ seed: 1, ...rest, nodes }, [...backend.plugins(SIZES)]);
  const task = machine.createTask('t');
  task.mmap(0, 64);
  for (let vpn = 0; vpn < 64; vpn++) task.write(vpn);
  task.madvise(0, 64, MADV_PAGEOUT);
  machine.verify();
  return machine.stats();
}

test.for(BACKEND_NAMES)('%s is a machine that can be made', (name) => {
  expect(swappedOut(name)['vmstat.pgfault']).toBeGreaterThanOrEqual(64);
});

test('the software baselines keep pages where they say', () => {
  const where = (['zram', 'zram-zstd', 'zswap', 'zswap-shrinker', 'disk'] as const).map((name) => {
    const stats = swappedOut(name);
    const of = (key: string): number => stats[key] ?? 0;
    const kept = [of('zram.stored_pages'), of('zswap.stored_pages'), of('disk.pages_written')];
    return `${name}: zram ${kept[0]}, zswap ${kept[1]}, disk ${kept[2]}`;
  });
  expect(where).toMatchInlineSnapshot(`
    [
      "zram: zram 64, zswap 0, disk 0",
      "zram-zstd: zram 64, zswap 0, disk 0",
      "zswap: zram 0, zswap 64, disk 0",
      "zswap-shrinker: zram 0, zswap 64, disk 0",
      "disk: zram 0, zswap 0, disk 64",
    ]
  `);
});
