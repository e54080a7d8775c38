import { expect, test } from 'vitest';
import {
  diskSwap,
  MADV_HUGEPAGE,
  MADV_PAGEOUT,
  type Machine,
  PROT_READ,
  PROT_WRITE,
  type Task,
} from '../../src/index.js';
import { machineOf } from '../machine-of.js';

const PAGES = 6;

/** Pages that count as stored to, one digit each. */
function dirty(machine: Machine, task: Task, start = 0): string {
  const pages = Array.from({ length: PAGES }, (_, at) => at);
  const isDirty = (at: number): boolean => machine.proc.pagemap.read(task.mm, start + at).softDirty;
  return pages.map((at) => (isDirty(at) ? 1 : 0)).join('');
}

function clear(machine: Machine, task: Task): number {
  return machine.pseudoFiles.write('/proc/self/clear_refs', '4', task.struct);
}

test('pages are soft-dirty after a store, whatever happens to them in between', () => {
  const machine = machineOf({ plugins: [diskSwap({ pages: 64 })] });
  const task = machine.createTask('t');
  task.mmap(0, PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  const seen = { fresh: dirty(machine, task), cleared: '', stored: '', swapped: '', back: '' };
  clear(machine, task);
  seen.cleared = dirty(machine, task);
  task.read(0);
  task.write(1);
  task.mprotect(0, PAGES, PROT_READ);
  task.mprotect(0, PAGES, PROT_READ | PROT_WRITE);
  task.write(2);
  seen.stored = dirty(machine, task);
  task.madvise(0, PAGES, MADV_PAGEOUT);
  seen.swapped = dirty(machine, task);
  for (let vpn = 0; vpn < PAGES; vpn++) task.read(vpn);
  task.write(3);
  seen.back = dirty(machine, task);
  const child = task.fork('child');
  if (typeof child === 'number') throw new Error('fork');
  clear(machine, child);
  child.write(5);
  expect({ ...seen, parent: dirty(machine, task), child: dirty(machine, child) }).toEqual({
    fresh: '111111',
    cleared: '000000',
    stored: '011000',
    swapped: '011000',
    back: '011100',
    parent: '011100',
    child: '000001',
  });
  machine.verify();
  task.mremap(0, PAGES, 100, PAGES);
  expect(dirty(machine, task, 100)).toBe('111111');
  machine.verify();
});

test('a private page that is pinned stays soft-dirty and writable', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  const pfn = task.pinLongterm(2);
  clear(machine, task);
  expect(dirty(machine, task)).toBe('001000');
  task.unpin(pfn);
  machine.verify();
});

test('a dirty huge page that moves whole is soft-dirty there, base pages stay as they were', () => {
  const machine = machineOf({
    nodes: [
      { id: 0, pages: 8192, cpus: 1 },
      { id: 1, pages: 8192 },
    ],
    sysctl: { thp_enabled: 'madvise' },
  });
  const task = machine.createTask('t');
  task.mmap(0, 1024);
  task.madvise(512, 512, MADV_HUGEPAGE);
  for (const vpn of [0, 1, 512]) task.write(vpn);
  clear(machine, task);
  task.write(1);
  expect([dirty(machine, task), dirty(machine, task, 512)]).toEqual(['010000', '000000']);
  task.movePages([0, 1, 512], 1);
  expect([dirty(machine, task), dirty(machine, task, 512)]).toEqual(['010000', '111111']);
  machine.verify();
});
