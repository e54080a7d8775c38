import { describe, expect, test } from 'vitest';
import {
  ENOMEM,
  GRANT_LRU,
  type Machine,
  PROT_NONE,
  PROT_READ,
  PROT_WRITE,
  type Task,
} from '../../src/index.js';
import { entryOf, machineOf, pfnOf, wrongContents } from '../machine-of.js';

const RW = PROT_READ | PROT_WRITE;

/** Faults that a store takes. */
function faultsOfStore(machine: Machine, task: Task, vpn: number): number {
  const before = machine.vmstat().pgfault;
  expect(task.write(vpn)).toBe('ok');
  return machine.vmstat().pgfault - before;
}

describe('X12: from read-only to writable again', () => {
  test('an exclusive page is writable at once and takes no fault', () => {
    const machine = machineOf();
    const task = machine.createTask('t');
    task.mmap(0, 1);
    task.write(0);
    task.mprotect(0, 1, PROT_READ);
    const readOnly = entryOf(machine, task, 0);
    task.mprotect(0, 1, RW);
    expect([
      readOnly,
      entryOf(machine, task, 0),
      faultsOfStore(machine, task, 0),
    ]).toMatchInlineSnapshot(`
      [
        "ro dirty exclusive @0",
        "rw dirty exclusive @0",
        0,
      ]
    `);
  });

  test('a page of a write-protected owner still faults', () => {
    const machine = machineOf();
    const task = machine.createTask('t');
    task.mmap(0, 1);
    task.write(0);
    const owner = machine.managed.createOwner('fence', 'page-map');
    const asked: number[] = [];
    owner.seal(
      {
        handle_fault(_folio, vmf) {
          asked.push(vmf.vpn);
          vmf.unlock();
          owner.clear();
          return 0;
        },
      },
      GRANT_LRU,
    );
    machine.managed.claim(owner, pfnOf(machine, task, 0), 1);
    task.mprotect(0, 1, PROT_READ);
    task.mprotect(0, 1, RW);
    const fenced = entryOf(machine, task, 0);
    expect([fenced, faultsOfStore(machine, task, 0), asked]).toMatchInlineSnapshot(`
      [
        "ro dirty exclusive @0",
        2,
        [
          0,
        ],
      ]
    `);
  });

  test('the zero page and a page shared by fork still fault', () => {
    const machine = machineOf();
    const task = machine.createTask('t');
    task.mmap(0, 2);
    task.read(0);
    task.write(1);
    const child = task.fork('child');
    if (typeof child === 'number') throw new Error('fork');
    task.mprotect(0, 2, PROT_READ);
    task.mprotect(0, 2, RW);
    expect([
      entryOf(machine, task, 0),
      entryOf(machine, task, 1),
      faultsOfStore(machine, task, 0),
      faultsOfStore(machine, task, 1),
    ]).toMatchInlineSnapshot(`
      [
        "ro zero",
        "ro dirty @0",
        1,
        1,
      ]
    `);
    expect(wrongContents(machine)).toBe(0);
  });
});

test('inaccessible pages stay resident and keep their contents', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  task.mprotect(0, 1, PROT_NONE);
  const none = [entryOf(machine, task, 0), task.read(0), task.mm.rss];
  task.mprotect(0, 1, RW);
  expect([none, task.read(0), entryOf(machine, task, 0)]).toMatchInlineSnapshot(`
    [
      [
        "protnone dirty exclusive @0",
        "SIGSEGV",
        1,
      ],
      "ok",
      "rw dirty exclusive @0",
    ]
  `);
  expect(wrongContents(machine)).toBe(0);
});

test('a hole ends it with -ENOMEM, and what lies before the hole is changed', () => {
  const machine = machineOf();
  const task = machine.createTask('t');
  task.mmap(0, 2);
  task.mmap(3, 2);
  expect([
    task.mprotect(0, 5, PROT_READ) === -ENOMEM,
    task.mm.vmas.map(({ start, end, flags }) => [start, end, flags & 3]),
    task.mprotect(0, 1, 64),
    task.mprotect(0, 0, PROT_READ),
  ]).toMatchInlineSnapshot(`
    [
      true,
      [
        [
          0,
          2,
          1,
        ],
        [
          3,
          5,
          3,
        ],
      ],
      -22,
      0,
    ]
  `);
});
