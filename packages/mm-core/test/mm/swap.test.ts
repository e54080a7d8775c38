import { expect, test } from 'vitest';
import {
  diskSwap,
  MADV_PAGEOUT,
  PG_dirty,
  PG_swapcache,
  PROT_NONE,
  PROT_READ,
  zramSwap,
} from '../../src/index.js';
import { counted, entryOf, machineOf, pfnOf, wrongContents } from '../machine-of.js';

test('through zram: out as an exclusive entry, in as a writable page without its slot', () => {
  const machine = machineOf({ plugins: [zramSwap({ pages: 64, codec: 'lz4' })] });
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  task.madvise(0, 1, MADV_PAGEOUT);
  const out = [entryOf(machine, task, 0), machine.swap.used(), task.mm.rss, task.mm.swapents];
  const pool = machine.stats()['zram.pool_pages'];
  task.read(0);
  expect({
    out,
    pool,
    in: [entryOf(machine, task, 0), machine.swap.used(), task.mm.rss, task.mm.swapents],
    cached: machine.table.has(pfnOf(machine, task, 0), PG_swapcache),
    wrong: wrongContents(machine),
    ...counted(machine, 'pswpout', 'pswpin', 'pgmajfault'),
  }).toMatchInlineSnapshot(`
    {
      "cached": false,
      "in": [
        "rw exclusive @0",
        0,
        1,
        0,
      ],
      "out": [
        "swap exclusive",
        1,
        0,
        1,
      ],
      "pgmajfault": 1,
      "pool": 1,
      "pswpin": 1,
      "pswpout": 1,
      "wrong": 0,
    }
  `);
  machine.verify();
});

test('through a disk: a page that is only read keeps its slot and goes out unwritten', () => {
  const machine = machineOf({ plugins: [diskSwap({ pages: 64 })] });
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  task.madvise(0, 1, MADV_PAGEOUT);
  task.read(0);
  const kept = [
    machine.table.has(pfnOf(machine, task, 0), PG_swapcache),
    machine.table.has(pfnOf(machine, task, 0), PG_dirty),
    machine.swap.used(),
  ];
  task.madvise(0, 1, MADV_PAGEOUT);
  task.read(0);
  expect({
    kept,
    disk: [machine.stats()['disk.pages_written'], machine.stats()['disk.pages_read']],
    wrong: wrongContents(machine),
  }).toMatchInlineSnapshot(`
    {
      "disk": [
        1,
        2,
      ],
      "kept": [
        true,
        false,
        1,
      ],
      "wrong": 0,
    }
  `);
  machine.verify();
});

test('a page that is written after it came in gives its slot up', () => {
  const machine = machineOf({ plugins: [diskSwap({ pages: 64 })] });
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  task.madvise(0, 1, MADV_PAGEOUT);
  task.write(0);
  const written = [entryOf(machine, task, 0), machine.swap.used()];
  task.madvise(0, 1, MADV_PAGEOUT);
  task.read(0);
  expect([
    written,
    machine.stats()['disk.pages_written'],
    wrongContents(machine),
  ]).toMatchInlineSnapshot(`
    [
      [
        "rw dirty exclusive @0",
        0,
      ],
      2,
      0,
    ]
  `);
});

test('a page stored to through a swapped-in writable mapping is written again', () => {
  const machine = machineOf({ plugins: [diskSwap({ pages: 64 })] });
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  task.madvise(0, 1, MADV_PAGEOUT);
  task.read(0);
  const faults = machine.vmstat().pgfault;
  task.write(0);
  const noFault = machine.vmstat().pgfault === faults;
  task.madvise(0, 1, MADV_PAGEOUT);
  expect([noFault, task.read(0), wrongContents(machine)]).toEqual([true, 'ok', 0]);
  machine.verify();
});

test('a page of zeroes takes a slot but no room', () => {
  const machine = machineOf({ plugins: [zramSwap({ pages: 64, codec: 'lz4' })] });
  const task = machine.createTask('t');
  task.mmap(0, 1);
  const pfn = machine.gup.pinLongterm(task.mm, 0, 0);
  task.unpin(pfn);
  task.madvise(0, 1, MADV_PAGEOUT);
  expect([
    entryOf(machine, task, 0),
    machine.stats()['zram.stored_pages'],
    task.read(0),
  ]).toMatchInlineSnapshot(`
    [
      "swap exclusive",
      0,
      "ok",
    ]
  `);
  expect(counted(machine, 'swpout_zero', 'swpin_zero', 'pswpout')).toMatchInlineSnapshot(`
    {
      "pswpout": 0,
      "swpin_zero": 1,
      "swpout_zero": 1,
    }
  `);
});

test('without a free slot pages stay', () => {
  const machine = machineOf({ plugins: [diskSwap({ pages: 2 })] });
  const task = machine.createTask('t');
  task.mmap(0, 4);
  for (let vpn = 0; vpn < 4; vpn++) task.write(vpn);
  task.madvise(0, 4, MADV_PAGEOUT);
  expect([task.mm.rss, task.mm.swapents, machine.swap.used()]).toEqual([2, 2, 2]);
  task.munmap(0, 4);
  expect([machine.swap.used(), machine.usedPages(0)]).toEqual([0, 0]);
  machine.verify();
});

test('a page that somebody holds stays mapped, or its own copier would unmap it for ever', () => {
  const machine = machineOf({ plugins: [diskSwap({ pages: 64 })] });
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  const pfn = pfnOf(machine, task, 0);
  machine.folios.get(pfn);
  task.madvise(0, 1, MADV_PAGEOUT);
  expect(entryOf(machine, task, 0)).toBe('rw dirty exclusive @0');
  machine.folios.put(pfn);
  task.madvise(0, 1, MADV_PAGEOUT);
  expect(entryOf(machine, task, 0)).toBe('swap exclusive');
  machine.verify();
});

test('swapoff brings the page of an area without rights back as one', () => {
  const machine = machineOf({ plugins: [zramSwap({ pages: 64, codec: 'lz4' })] });
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  task.madvise(0, 1, MADV_PAGEOUT);
  task.mprotect(0, 1, PROT_NONE);
  expect(machine.swapoff.swapoff()).toBe(0);
  expect([entryOf(machine, task, 0), task.read(0)]).toEqual(['protnone exclusive @0', 'SIGSEGV']);
  task.mprotect(0, 1, PROT_READ);
  expect([task.read(0), wrongContents(machine)]).toEqual(['ok', 0]);
  machine.verify();
});

test('the last mapping of a page of the swap cache takes it out and frees page and slot', () => {
  const machine = machineOf({ plugins: [diskSwap({ pages: 64 })] });
  const task = machine.createTask('t');
  task.mmap(0, 4);
  for (let vpn = 0; vpn < 4; vpn++) task.write(vpn);
  task.madvise(0, 4, MADV_PAGEOUT);
  for (let vpn = 0; vpn < 4; vpn++) task.read(vpn);
  const cached = machine.swap.used();
  const used = machine.usedPages(0);
  task.munmap(0, 4);
  machine.folios.lruAddDrainAll();
  machine.verify();
  expect({ cached, left: machine.swap.used(), freed: used - machine.usedPages(0) }).toEqual({
    cached: 4,
    left: 0,
    freed: 4,
  });
});
