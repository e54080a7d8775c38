import { expect, test } from 'vitest';
import { VM_HUGEPAGE } from '../../src/abi/mman.js';
import {
  diskSwap,
  MADV_DONTNEED,
  MADV_HWPOISON,
  MADV_PAGEOUT,
  type Machine,
  PAGE_SIZE,
  PG_hwpoison,
  PMD_ORDER,
  PROT_READ,
  PROT_WRITE,
  VM_SHARED,
  vmFlags,
} from '../../src/index.js';
import { entriesOf, entryOf, machineOf, pfnOf, wrongContents } from '../machine-of.js';
import { refusingSwap } from '../refusing-swap.js';

const RW = PROT_READ | PROT_WRITE;

test('a poisoned frame is taken out of use and its mapping becomes a hwpoison entry', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 4);
  task.write(0);
  const pfn = pfnOf(machine, task, 0);
  const free = machine.nodes.pgdat(0).freePages();
  expect({
    rc: machine.memoryFailure.memoryFailure(pfn, 0),
    again: machine.memoryFailure.memoryFailure(pfn, 0),
    none: machine.memoryFailure.memoryFailure(1 << 20, 0),
    entry: entryOf(machine, task, 0),
    poisoned: [...machine.memoryFailure.poisoned].length,
    freed: machine.nodes.pgdat(0).freePages() - free,
  }).toMatchInlineSnapshot(`
    {
      "again": -133,
      "entry": "hwpoison",
      "freed": 0,
      "none": -6,
      "poisoned": 1,
      "rc": 0,
    }
  `);
  machine.verify();
});

test('the next access loses the page and goes on with a fresh one', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  machine.memoryFailure.memoryFailure(pfnOf(machine, task, 0), 0);
  expect([task.read(0), entryOf(machine, task, 0), wrongContents(machine)]).toMatchInlineSnapshot(`
    [
      "ok",
      "ro zero",
      1,
    ]
  `);
  machine.verify();
});

test('of a large folio only the poisoned page goes, and pages mapped nowhere are freed', () => {
  const machine = machineOf({ sysctl: { thp_order: 2 } });
  const task = machine.createTask('t');
  task.mmap(0, 4, RW, VM_HUGEPAGE);
  task.write(0);
  task.write(1);
  const folio = pfnOf(machine, task, 0);
  task.munmap(3, 1);
  const rc = machine.memoryFailure.memoryFailure(folio + 2, 0);
  machine.folios.lruAddDrainAll();
  expect({
    rc,
    entries: entriesOf(machine, task, 0, 4),
    poisoned: [0, 1, 2, 3].map((at) => machine.table.has(folio + at, PG_hwpoison)),
    references: [0, 1, 2, 3].map((at) => machine.table.refcount[folio + at]),
    used: machine.usedPages(0),
  }).toMatchInlineSnapshot(`
    {
      "entries": [
        "rw dirty exclusive @0",
        "rw dirty exclusive @0",
        "hwpoison",
        "none",
      ],
      "poisoned": [
        false,
        false,
        true,
        false,
      ],
      "rc": 0,
      "references": [
        1,
        1,
        1,
        0,
      ],
      "used": 3,
    }
  `);
  machine.verify();
});

test('a clean page of the swap cache is read again from its slot by everybody', () => {
  const machine = machineOf({ plugins: [diskSwap({ pages: 16 })] });
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  task.madvise(0, 1, MADV_PAGEOUT);
  const child = task.fork('child');
  if (typeof child === 'number') throw new Error('fork');
  task.read(0);
  const rc = machine.memoryFailure.memoryFailure(pfnOf(machine, task, 0), 0);
  expect({
    rc,
    parent: entryOf(machine, task, 0),
    child: [child.read(0), entryOf(machine, child, 0)],
    wrong: wrongContents(machine),
  }).toMatchInlineSnapshot(`
    {
      "child": [
        "ok",
        "ro @0",
      ],
      "parent": "swap",
      "rc": 0,
      "wrong": 0,
    }
  `);
  machine.verify();
});

test('a dirty page of the swap cache is the only copy: its slot leads to the poison', () => {
  const machine = machineOf({ plugins: [refusingSwap(16)] });
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  const pfn = pfnOf(machine, task, 0);
  task.madvise(0, 1, MADV_PAGEOUT);
  expect({
    before: entryOf(machine, task, 0),
    rc: machine.memoryFailure.memoryFailure(pfn, 0),
    read: task.read(0),
    after: entryOf(machine, task, 0),
    lost: machine.engine.shadow.counts.lostPages,
  }).toMatchInlineSnapshot(`
    {
      "after": "ro zero",
      "before": "swap exclusive",
      "lost": 1,
      "rc": 0,
      "read": "ok",
    }
  `);
  machine.verify();
});

test('a pinned page is taken from its program all the same', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 1);
  const pfn = task.pinLongterm(0);
  expect([
    machine.memoryFailure.memoryFailure(pfn, 0),
    machine.table.has(pfn, PG_hwpoison),
    entryOf(machine, task, 0),
  ]).toMatchInlineSnapshot(`
    [
      0,
      true,
      "hwpoison",
    ]
  `);
});

test('injected poison signals who asks, whose next accesses find it too', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.struct.onPoison = 'signal';
  task.mmap(0, 4);
  task.write(0);
  task.write(1);
  const rc = task.madvise(0, 2, MADV_HWPOISON);
  const signal = task.struct.takeSignal();
  const read = task.read(1);
  const mf = machine.memoryFailure;
  machine.verify();
  task.madvise(0, 4, MADV_DONTNEED);
  expect({
    rc,
    signal,
    read,
    again: task.madvise(0, 1, MADV_HWPOISON),
    total: mf.totalOf(0),
    stats: mf.statsOf(0),
    second: [task.madvise(0, 1, MADV_HWPOISON), task.struct.takeSignal()?.code],
  }).toMatchInlineSnapshot(`
    {
      "again": -16,
      "rc": 0,
      "read": "SIGBUS",
      "second": [
        -133,
        "MCEERR_AR",
      ],
      "signal": {
        "code": "MCEERR_AR",
        "lsb": 12,
        "signal": "SIGBUS",
      },
      "stats": {
        "delayed": 0,
        "failed": 0,
        "ignored": 1,
        "recovered": 2,
      },
      "total": 3,
    }
  `);
  machine.verify();
});

test('poison in shared memory is met by everybody who maps it, with no page in its place', () => {
  const machine = machineOf();
  const file = machine.files.create('shmem', 'f', PAGE_SIZE);
  const task = machine.createTask('t');
  machine.mmap.mmap(task.mm, 0, 1, vmFlags(RW) | VM_SHARED, { file, pgoff: 0 });
  task.write(0);
  const child = task.fork('child');
  if (typeof child === 'number') throw new Error('fork failed');
  machine.memoryFailure.memoryFailure(pfnOf(machine, task, 0), 0);
  expect([task.read(0), task.write(0), child.read(0)]).toEqual(['SIGBUS', 'SIGBUS', 'SIGBUS']);
  machine.verify();
});

/** Poisons page 1 of a large folio that is written whole, after `before` ran. */
function poisonPart(order: number, before: (task: ReturnType<Machine['createTask']>) => void) {
  const machine = machineOf({ sysctl: { thp_order: order } });
  const task = machine.createTask('t');
  task.struct.onPoison = 'signal';
  const pages = 1 << order;
  task.mmap(0, pages, RW, VM_HUGEPAGE);
  for (let at = 0; at < pages; at++) task.write(at);
  before(task);
  const rc = task.madvise(1, 1, MADV_HWPOISON);
  const told = task.struct.takeSignal()?.code;
  machine.verify();
  return { rc, told, entry: entryOf(machine, task, 1), read: [task.read(1), task.read(2)] };
}

test('who maps a page of a large folio by itself is told by the next access, not at once', () => {
  const poisoned = { rc: 0, entry: 'hwpoison', read: ['SIGBUS', 'ok'] };
  expect(poisonPart(4, () => {})).toEqual({ ...poisoned, told: undefined });
  expect(poisonPart(PMD_ORDER, () => {})).toEqual({ ...poisoned, told: 'MCEERR_AR' });
  const split = poisonPart(PMD_ORDER, (task) => task.mprotect(8, 8, PROT_READ));
  expect(split).toEqual({ ...poisoned, told: undefined });
});
