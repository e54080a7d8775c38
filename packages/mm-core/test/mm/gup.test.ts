import { expect, test } from 'vitest';
import { PG_pinned, PROT_READ } from '../../src/index.js';
import { entryOf, machineOf, pfnOf, wrongContents } from '../machine-of.js';

test('a long-term pin takes the page out of ZONE_MOVABLE first', () => {
  const machine = machineOf({
    nodes: [
      { id: 0, pages: 1024, cpus: 1 },
      { id: 1, pages: 1024, cpus: 1, movable: true },
    ],
  });
  const task = machine.createTask('t', 1);
  task.mmap(0, 1);
  task.write(0);
  const before = entryOf(machine, task, 0);
  const pfn = task.pinLongterm(0);
  expect({
    before,
    after: entryOf(machine, task, 0),
    pinned: machine.table.has(pfn, PG_pinned),
    same: pfnOf(machine, task, 0) === pfn,
    references: machine.table.refcount[pfn],
    read: task.read(0),
    wrong: wrongContents(machine),
  }).toMatchInlineSnapshot(`
    {
      "after": "rw dirty exclusive @0",
      "before": "rw dirty exclusive @1",
      "pinned": true,
      "read": "ok",
      "references": 3,
      "same": true,
      "wrong": 0,
    }
  `);
  machine.verify();
  task.unpin(pfn);
  machine.verify();
});

test('without memory to go to, the pin fails', () => {
  const machine = machineOf({ nodes: [{ id: 0, pages: 1024, cpus: 1, movable: true }] });
  const task = machine.createTask('t');
  task.mmap(0, 1);
  expect([task.pinLongterm(0), entryOf(machine, task, 0)]).toMatchInlineSnapshot(`
    [
      -12,
      "rw dirty exclusive @0",
    ]
  `);
  machine.verify();
});

test('what may not be written is not pinned', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 1, PROT_READ);
  expect([task.pinLongterm(0), task.pinLongterm(9)]).toEqual([-14, -14]);
});

test('a pinned page outlives its program', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 1);
  const pfn = task.pinLongterm(0);
  task.exit();
  machine.folios.lruAddDrainAll();
  const held = machine.usedPages(0);
  machine.gup.unpin(pfn);
  expect([held, machine.usedPages(0)]).toEqual([1, 0]);
  machine.verify();
});
