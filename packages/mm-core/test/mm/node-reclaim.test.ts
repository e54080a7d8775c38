import { expect, test } from 'vitest';
import { anonymousVma, VM_READ, VM_SHARED, VM_WRITE, zramSwap } from '../../src/index.js';
import { machineOf } from '../machine-of.js';

const PAGES = 1024;

/** Where 1,150 pages of a program on a node of 1,024 end up, and what was counted. */
function spread(mode: number): object {
  const nodes = [
    { id: 0, pages: PAGES, cpus: 1 },
    { id: 1, pages: PAGES },
  ];
  const machine = machineOf({ nodes, plugins: [zramSwap({ pages: PAGES, codec: 'lz4' })] });
  machine.pseudoFiles.write('/proc/sys/vm/min_slab_ratio', '0');
  machine.pseudoFiles.write('/proc/sys/vm/zone_reclaim_mode', String(mode));
  const task = machine.createTask('t');
  task.mmap(0, 1150);
  for (let vpn = 0; vpn < 1150; vpn++) task.write(vpn);
  machine.verify();
  const all = Array.from({ length: 1150 }, (_, vpn) => vpn);
  return {
    onNode1: task.where(all).filter((nid) => nid === 1).length > 0,
    swapped: machine.swap.used() > 0,
    succeeded: machine.counters.read('zone_reclaim_success') > 0,
    failed: machine.counters.read('zone_reclaim_failed') > 0,
  };
}

test('a full node is reclaimed from before the next one is used, if it is told to', () => {
  expect([spread(0), spread(1), spread(4)]).toMatchInlineSnapshot(`
    [
      {
        "failed": false,
        "onNode1": true,
        "succeeded": false,
        "swapped": false,
      },
      {
        "failed": true,
        "onNode1": true,
        "succeeded": false,
        "swapped": false,
      },
      {
        "failed": false,
        "onNode1": true,
        "succeeded": true,
        "swapped": true,
      },
    ]
  `);
});

/** Is reclaim tried on a node of 4,096 pages before the next is used, with pages of a file? */
function tried(
  mode: number,
  kind: 'regular' | 'shmem',
  use: 'read' | 'mapped' | 'written',
): number {
  const nodes = [
    { id: 0, pages: 4 * PAGES, cpus: 1 },
    { id: 1, pages: 4 * PAGES },
  ];
  const machine = machineOf({ nodes, plugins: [zramSwap({ pages: PAGES, codec: 'lz4' })] });
  machine.pseudoFiles.write('/proc/sys/vm/zone_reclaim_mode', String(mode));
  const task = machine.createTask('t');
  const file = machine.files.create(kind, 'f', 200 * 4096);
  const shared = anonymousVma(10_000, 10_200, VM_READ | VM_WRITE | VM_SHARED);
  task.mm.replace(10_000, 10_200, [{ ...shared, pgoff: 0, file }]);
  for (let index = 0; index < 200; index++) {
    if (use !== 'read') task.read(10_000 + index);
    else machine.filemap.read(file, index, 0);
    if (use === 'written') task.write(10_000 + index);
  }
  task.mmap(0, 4200);
  for (let vpn = 0; vpn < 4200; vpn++) task.write(vpn);
  machine.verify();
  const { counters } = machine;
  return Math.sign(counters.read('zone_reclaim_success') + counters.read('zone_reclaim_failed'));
}

test('cached pages count if they could go: clean, and not mapped unless the mode unmaps', () => {
  const uses = ['read', 'mapped', 'written'] as const;
  const found = [1, 4].map((mode) => uses.map((use) => tried(mode, 'regular', use)));
  expect(found).toEqual([
    [1, 0, 0],
    [1, 1, 0],
  ]);
});

test('shared memory counts where the mode unmaps', () => {
  expect([1, 4].map((mode) => tried(mode, 'shmem', 'written'))).toEqual([0, 1]);
});
