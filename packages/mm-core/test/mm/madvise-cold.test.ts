import { expect, test } from 'vitest';
import {
  diskSwap,
  MADV_COLD,
  MADV_PAGEOUT,
  type Machine,
  PTE_ACCESSED,
  type Task,
} from '../../src/index.js';
import { counted, entryOf, machineOf, twoTiers } from '../machine-of.js';

const PAGES = 64;
const OLD = Array.from({ length: PAGES }, (_, at) => at);

/** A program that has written 64 pages, and 64 more after them. */
function written(lruGen: 'y' | 'n'): { machine: Machine; task: Task } {
  const machine = machineOf({ nodes: twoTiers(1024, 1024), sysctl: { demotion_enabled: true } });
  machine.pseudoFiles.write('/sys/kernel/mm/lru_gen/enabled', lruGen);
  machine.pseudoFiles.write('/sys/fs/cgroup/cgroup.subtree_control', '+memory');
  const task = machine.createTask('t');
  task.mmap(0, 2 * PAGES);
  for (let vpn = 0; vpn < 2 * PAGES; vpn++) task.write(vpn);
  machine.folios.lruAddDrainAll();
  return { machine, task };
}

/** Pages with an accessed bit. */
function young({ ptes }: Machine, task: Task): number {
  let count = 0;
  ptes.walk(task.mm.id, 0, 2 * PAGES, (slot) => {
    if ((ptes.bits[slot]! & PTE_ACCESSED) !== 0) count++;
  });
  return count;
}

test('cold pages of the inactive list keep their place: reclaim takes the old ones first', () => {
  const { machine, task } = written('n');
  machine.pseudoFiles.write('/proc/self/clear_refs', '1', task.struct);
  expect(task.madvise(0, PAGES, MADV_COLD)).toBe(0);
  machine.pseudoFiles.write('/sys/fs/cgroup/memory.reclaim', String((PAGES / 2) * 4096));
  const gone = task.where(OLD).filter((nid) => nid === 1).length;
  expect(gone).toBeGreaterThanOrEqual(PAGES / 2);
  machine.verify();
});

test('cold pages of young generations are deactivated, and counted', () => {
  const counts = (['y', 'n'] as const).map((lruGen) => {
    const { machine, task } = written(lruGen);
    task.madvise(0, PAGES, MADV_COLD);
    machine.verify();
    return counted(machine, 'pgdeactivate');
  });
  expect(counts).toEqual([{ pgdeactivate: PAGES }, { pgdeactivate: 0 }]);
});

test('only MADV_COLD forgets that pages were used', () => {
  const { machine, task } = written('y');
  const before = young(machine, task);
  task.madvise(0, PAGES, MADV_COLD);
  expect([before, young(machine, task)]).toEqual([2 * PAGES, PAGES]);
});

test('MADV_PAGEOUT without swap leaves accessed bits alone', () => {
  const { machine, task } = written('y');
  task.madvise(0, PAGES, MADV_PAGEOUT);
  expect(young(machine, task)).toBe(2 * PAGES);
});

/** Which of some pages, by node, MADV_PAGEOUT brought to a swap device of two slots. */
function goesOut(pages: readonly (readonly [vpn: number, nid: number])[]): number[] {
  const machine = machineOf({ nodes: twoTiers(4096, 1024), plugins: [diskSwap({ pages: 2 })] });
  const task = machine.createTask('t');
  task.mmap(0, 2048);
  for (const [vpn] of pages) task.write(vpn);
  for (const [vpn, nid] of pages) task.movePages([vpn], nid);
  machine.folios.lruAddDrainAll();
  task.madvise(0, 2048, MADV_PAGEOUT);
  machine.verify();
  return pages.map(([vpn]) => vpn).filter((vpn) => entryOf(machine, task, vpn).startsWith('swap'));
}

test('MADV_PAGEOUT takes a page table at a time, and its pages in runs of one node', () => {
  expect([
    goesOut([
      [0, 0],
      [1, 1],
      [2, 0],
      [3, 1],
    ]),
    goesOut([
      [0, 0],
      [512, 1],
      [1024, 0],
      [1025, 0],
    ]),
  ]).toEqual([
    [0, 1],
    [0, 512],
  ]);
});
