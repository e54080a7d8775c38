import { expect, test } from 'vitest';
import {
  diskSwap,
  MADV_PAGEOUT,
  type Machine,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  type Task,
  VM_DONTCOPY,
  VM_HUGEPAGE,
  VM_LOCKED,
} from '../../src/index.js';
import { entriesOf, entryOf, machineOf, pfnOf, wrongContents } from '../machine-of.js';
import { refusingSwap } from '../refusing-swap.js';

const RW = PROT_READ | PROT_WRITE;

function forked(machine: Machine, task: Task): Task {
  const child = task.fork('child');
  if (typeof child === 'number') throw new Error(`fork: ${child}`);
  machine.verify();
  return child;
}

test('an exclusive page loses the mark and becomes read-only on both sides', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 3);
  task.write(0);
  task.read(1);
  const before = entriesOf(machine, task, 0, 3);
  const child = forked(machine, task);
  expect({
    before,
    parent: entriesOf(machine, task, 0, 3),
    child: entriesOf(machine, child, 0, 3),
    sameFrame: pfnOf(machine, task, 0) === pfnOf(machine, child, 0),
  }).toMatchInlineSnapshot(`
    {
      "before": [
        "rw dirty exclusive @0",
        "ro zero",
        "none",
      ],
      "child": [
        "ro dirty @0",
        "ro zero",
        "none",
      ],
      "parent": [
        "ro dirty @0",
        "ro zero",
        "none",
      ],
      "sameFrame": true,
    }
  `);
});

test('the first writer copies, the last one reuses, and neither sees the other', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  const frame = pfnOf(machine, task, 0);
  const child = forked(machine, task);
  child.write(0);
  const copied = pfnOf(machine, child, 0) !== frame;
  task.write(0);
  expect({
    copied,
    reused: pfnOf(machine, task, 0) === frame,
    entries: [entryOf(machine, task, 0), entryOf(machine, child, 0)],
    reads: [task.read(0), child.read(0)],
    wrong: wrongContents(machine),
  }).toMatchInlineSnapshot(`
    {
      "copied": true,
      "entries": [
        "rw dirty exclusive @0",
        "rw dirty exclusive @0",
      ],
      "reads": [
        "ok",
        "ok",
      ],
      "reused": true,
      "wrong": 0,
    }
  `);
  machine.verify();
});

test('areas marked VM_DONTCOPY are left out and locks are not inherited', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 2, RW, VM_DONTCOPY);
  task.mmap(2, 2, RW, 0);
  task.write(0);
  task.mlock(2, 2);
  const child = forked(machine, task);
  expect({
    parent: task.mm.vmas.map(({ start, flags }) => [start, (flags & VM_LOCKED) !== 0]),
    child: child.mm.vmas.map(({ start, flags }) => [start, (flags & VM_LOCKED) !== 0]),
    entries: entriesOf(machine, child, 0, 4),
  }).toMatchInlineSnapshot(`
    {
      "child": [
        [
          2,
          false,
        ],
      ],
      "entries": [
        "none",
        "none",
        "ro dirty @0",
        "ro dirty @0",
      ],
      "parent": [
        [
          0,
          false,
        ],
        [
          2,
          true,
        ],
      ],
    }
  `);
});

test('a pinned page stays with the parent and the child gets a copy at once', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  const frame = task.pinLongterm(0);
  const child = forked(machine, task);
  task.write(0);
  expect({
    parentStays: pfnOf(machine, task, 0) === frame,
    childElsewhere: pfnOf(machine, child, 0) !== frame,
    entries: [entryOf(machine, task, 0), entryOf(machine, child, 0)],
    wrong: [child.read(0), wrongContents(machine)],
  }).toMatchInlineSnapshot(`
    {
      "childElsewhere": true,
      "entries": [
        "rw dirty exclusive @0",
        "rw dirty exclusive @0",
      ],
      "parentStays": true,
      "wrong": [
        "ok",
        0,
      ],
    }
  `);
});

test('a pin of any page of a large folio keeps all of its pages with the parent', () => {
  const machine = machineOf({ sysctl: { thp_order: 2 } });
  const task = machine.createTask('t');
  task.mmap(0, 4, RW, VM_HUGEPAGE);
  const frame = task.pinLongterm(2);
  const child = forked(machine, task);
  for (let vpn = 0; vpn < 4; vpn++) task.write(vpn);
  expect({
    parentStays: pfnOf(machine, task, 2) === frame,
    parent: entriesOf(machine, task, 0, 4),
    child: entriesOf(machine, child, 0, 4),
  }).toMatchInlineSnapshot(`
    {
      "child": [
        "rw dirty exclusive @0",
        "rw dirty exclusive @0",
        "rw dirty exclusive @0",
        "rw dirty exclusive @0",
      ],
      "parent": [
        "rw dirty exclusive @0",
        "rw dirty exclusive @0",
        "rw dirty exclusive @0",
        "rw dirty exclusive @0",
      ],
      "parentStays": true,
    }
  `);
});

test('a swap entry is shared and no longer exclusive', () => {
  const machine = machineOf({ plugins: [diskSwap({ pages: 16 })] });
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  task.madvise(0, 1, MADV_PAGEOUT);
  const before = entryOf(machine, task, 0);
  const child = forked(machine, task);
  const after = [entryOf(machine, task, 0), entryOf(machine, child, 0)];
  task.write(0);
  child.read(0);
  expect({
    before,
    after,
    faulted: [entryOf(machine, task, 0), entryOf(machine, child, 0)],
    wrong: wrongContents(machine),
  }).toMatchInlineSnapshot(`
    {
      "after": [
        "swap",
        "swap",
      ],
      "before": "swap exclusive",
      "faulted": [
        "rw dirty exclusive @0",
        "ro @0",
      ],
      "wrong": 0,
    }
  `);
  machine.verify();
});

test('a page that stayed in the swap cache was exclusive before the fork, not after it', () => {
  const machine = machineOf({ plugins: [refusingSwap(16)] });
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  task.madvise(0, 1, MADV_PAGEOUT);
  const child = forked(machine, task);
  child.read(0);
  task.read(0);
  task.write(0);
  expect({
    entries: [entryOf(machine, task, 0), entryOf(machine, child, 0)],
    read: child.read(0),
    wrong: wrongContents(machine),
    sameFrame: pfnOf(machine, task, 0) === pfnOf(machine, child, 0),
  }).toMatchInlineSnapshot(`
    {
      "entries": [
        "rw dirty exclusive @0",
        "ro @0",
      ],
      "read": "ok",
      "sameFrame": false,
      "wrong": 0,
    }
  `);
  machine.verify();
});

test('inaccessible pages are shared too and stay inaccessible', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  task.mprotect(0, 1, PROT_NONE);
  const child = forked(machine, task);
  child.mprotect(0, 1, RW);
  child.write(0);
  task.mprotect(0, 1, RW);
  expect([
    task.read(0),
    entryOf(machine, task, 0),
    entryOf(machine, child, 0),
    wrongContents(machine),
  ]).toMatchInlineSnapshot(`
    [
      "ok",
      "ro dirty @0",
      "rw dirty exclusive @0",
      0,
    ]
  `);
  machine.verify();
});

test('a fork that runs out of memory gives everything back', () => {
  const machine = machineOf({ nodes: [{ id: 0, pages: 128, cpus: 1 }] });
  const task = machine.createTask('t');
  task.mmap(0, 8);
  for (let vpn = 0; vpn < 8; vpn++) task.pinLongterm(vpn);
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  for (;;) {
    const pfn = machine.zoneAlloc.getPageFromFreelist(
      { gfp: 0, order: 0, nid: 0, nodemask: null },
      'none',
    );
    if (pfn < 0) break;
    held.push(pfn);
  }
  const child = task.fork('child');
  expect({
    child,
    killed: machine.oom.isVictim(task.mm.id),
    spaces: [...machine.mms.all()].length,
  }).toMatchInlineSnapshot(`
    {
      "child": -12,
      "killed": true,
      "spaces": 1,
    }
  `);
  machine.verify();
});
