import { expect, test } from 'vitest';
import { PROT_NONE, PROT_READ, PROT_WRITE, VM_GROWSDOWN, VM_HUGEPAGE } from '../../src/index.js';
import { counted, entriesOf, entryOf, machineOf, pfnOf, wrongContents } from '../machine-of.js';

const RW = PROT_READ | PROT_WRITE;

test('a load of a hole maps the zero page, which costs no memory', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 2);
  const result = task.read(0);
  expect({
    result,
    entries: entriesOf(machine, task, 0, 2),
    rss: task.mm.rss,
    used: machine.usedPages(0),
    ...counted(machine, 'pgfault', 'pgmajfault'),
  }).toMatchInlineSnapshot(`
    {
      "entries": [
        "ro zero",
        "none",
      ],
      "pgfault": 1,
      "pgmajfault": 0,
      "result": "ok",
      "rss": 0,
      "used": 0,
    }
  `);
});

test('a store to a hole maps a fresh exclusive page', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 1);
  expect({
    result: task.write(0),
    entry: entryOf(machine, task, 0),
    rss: task.mm.rss,
    references: machine.table.refcount[pfnOf(machine, task, 0)],
  }).toMatchInlineSnapshot(`
    {
      "entry": "rw dirty exclusive @0",
      "references": 2,
      "result": "ok",
      "rss": 1,
    }
  `);
  machine.verify();
});

test('a store to the zero page makes a page of zeroes', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.read(0);
  task.write(0);
  expect([
    entryOf(machine, task, 0),
    machine.stats()['fault.write_protect'],
    task.read(0),
  ]).toMatchInlineSnapshot(`
    [
      "rw dirty exclusive @0",
      1,
      "ok",
    ]
  `);
  expect(wrongContents(machine)).toBe(0);
});

test('what an area does not allow raises SIGSEGV and counts as a fault', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 1, PROT_READ);
  task.mmap(1, 1, PROT_NONE);
  expect({
    readOnly: [task.read(0), task.write(0)],
    none: [task.read(1), task.write(1)],
    unmapped: [task.read(7), task.write(7)],
    ...counted(machine, 'pgfault'),
  }).toMatchInlineSnapshot(`
    {
      "none": [
        "SIGSEGV",
        "SIGSEGV",
      ],
      "pgfault": 6,
      "readOnly": [
        "ok",
        "SIGSEGV",
      ],
      "unmapped": [
        "SIGSEGV",
        "SIGSEGV",
      ],
    }
  `);
});

test('a stack grows down to what is touched, not past the limit', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(5000, 1, RW, VM_GROWSDOWN);
  expect([task.write(4990), task.mm.vmas, task.write(100)]).toMatchInlineSnapshot(`
    [
      "ok",
      [
        {
          "anonPgoff": 4990,
          "anonVma": AnonVma {
            "isForked": false,
          },
          "end": 5001,
          "file": null,
          "flags": 134218099,
          "pgoff": 4990,
          "policy": null,
          "ra": null,
          "start": 4990,
          "uffd": null,
        },
      ],
      "SIGSEGV",
    ]
  `);
});

test('a fault in a VM_HUGEPAGE area maps a whole folio when its range is empty', () => {
  const machine = machineOf({ sysctl: { thp_order: 2 } });
  const task = machine.createTask('t');
  task.mmap(1, 11, RW, VM_HUGEPAGE);
  task.write(5);
  task.read(8);
  task.write(9);
  task.write(1);
  expect({
    entries: entriesOf(machine, task, 0, 12),
    order: machine.table.order[machine.table.head(pfnOf(machine, task, 6))],
    ...counted(machine, 'thp_fault_alloc', 'thp_fault_fallback'),
  }).toMatchInlineSnapshot(`
    {
      "entries": [
        "none",
        "rw dirty exclusive @0",
        "none",
        "none",
        "rw dirty exclusive @0",
        "rw dirty exclusive @0",
        "rw dirty exclusive @0",
        "rw dirty exclusive @0",
        "ro zero",
        "rw dirty exclusive @0",
        "none",
        "none",
      ],
      "order": 2,
      "thp_fault_alloc": 0,
      "thp_fault_fallback": 0,
    }
  `);
  machine.verify();
});

test('pages come from the node of the CPU, and from the next when it is full', () => {
  const machine = machineOf({
    nodes: [
      { id: 0, pages: 1024, cpus: 1 },
      { id: 1, pages: 300, cpus: 1 },
    ],
  });
  const task = machine.createTask('t', 1);
  task.mmap(0, 400);
  for (let vpn = 0; vpn < 400; vpn++) task.write(vpn);
  const where = task.where([...Array(400).keys()]);
  const first = where.indexOf(0);
  expect({
    local: where.slice(0, first).every((nid) => nid === 1),
    fallback: where.slice(-1),
    ...counted(machine, 'numa_miss', 'numa_foreign'),
    hits: machine.vmstat().numa_hit,
  }).toMatchInlineSnapshot(`
    {
      "fallback": [
        0,
      ],
      "hits": 280,
      "local": true,
      "numa_foreign": 120,
      "numa_miss": 120,
    }
  `);
});
