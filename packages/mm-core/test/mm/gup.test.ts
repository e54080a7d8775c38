import { expect, test } from 'vitest';
import { PG_pinned, PROT_READ, plainCreds } from '../../src/index.js';
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
  task.write(0);
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

test('each pin counts, and the folio stays until the last one goes', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 2);
  const pfn = task.pinLongterm(0);
  task.pinLongterm(0);
  machine.verify();
  task.unpin(pfn);
  const once = [machine.gup.pinCount(pfn), machine.table.has(pfn, PG_pinned)];
  machine.verify();
  task.unpin(pfn);
  machine.verify();
  expect({
    once,
    none: [machine.gup.pinCount(pfn), machine.table.has(pfn, PG_pinned)],
    acquired: machine.vmstat().nr_foll_pin_acquired,
    released: machine.vmstat().nr_foll_pin_released,
  }).toEqual({ once: [1, true], none: [0, false], acquired: 2, released: 2 });
});

test('a buffer of a ring is pinned whole or not at all, once, within the limit', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  const { ioUring } = machine.sys;
  task.mmap(16, 4);
  const ring = ioUring.setup(task.struct);
  const tooLong = ioUring.registerBuffer(task.struct, ring, 16 * 4096, 5 * 4096);
  machine.verify();
  const whole = ioUring.registerBuffer(task.struct, ring, 16 * 4096 + 8, 3 * 4096);
  const again = ioUring.registerBuffer(task.struct, ring, 16 * 4096, 4096);
  const pinned = machine.vmstat().nr_foll_pin_acquired - machine.vmstat().nr_foll_pin_released;
  ioUring.close(ring);
  task.struct.creds = plainCreds(1000);
  task.struct.rlimits.memlock = 8192;
  const limited = ioUring.setup(task.struct);
  const over = ioUring.registerBuffer(task.struct, limited, 16 * 4096, 3 * 4096);
  const within = ioUring.registerBuffer(task.struct, limited, 16 * 4096, 2 * 4096);
  expect({ tooLong, whole, again, pinned, over, within }).toEqual({
    tooLong: -14,
    whole: 0,
    again: -16,
    pinned: 4,
    over: -12,
    within: 0,
  });
  ioUring.close(limited);
  machine.verify();
});
