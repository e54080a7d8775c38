import { expect, test } from 'vitest';
import {
  type AddressSpace,
  type Machine,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  type Task,
  VM_SHARED,
  vmFlags,
} from '../../src/index.js';
import {
  counted,
  entriesOf,
  entryOf,
  machineOf,
  moveInBackground,
  pfnOf,
  twoTiers,
  wrongContents,
} from '../machine-of.js';

function withPages(pages: number): { machine: Machine; task: Task } {
  const machine = machineOf({ nodes: twoTiers(1024, 1024) });
  const task = machine.createTask('t');
  task.mmap(0, pages);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  machine.folios.lruAddDrainAll();
  machine.spend();
  return { machine, task };
}

/** Two pages of a file of shared memory that a task has written. */
function withSharedFile(): { machine: Machine; task: Task; file: AddressSpace } {
  const machine = machineOf({ nodes: twoTiers(1024, 1024) });
  const file = machine.files.create('shmem', 'f', 2 * PAGE_SIZE);
  const task = machine.createTask('t');
  const flags = vmFlags(PROT_READ | PROT_WRITE) | VM_SHARED;
  machine.mmap.mmap(task.mm, 0, 2, flags, { file, pgoff: 0 });
  task.write(0);
  task.write(1);
  machine.folios.lruAddDrainAll();
  machine.spend();
  return { machine, task, file };
}

function migrateInBackground(machine: Machine, task: Task, vpn: number): void {
  moveInBackground(machine, pfnOf(machine, task, vpn));
}

test('a page moves with its contents and its rights', () => {
  const { machine, task } = withPages(2);
  task.mprotect(1, 1, 1);
  const { rc, status } = task.movePages([0, 1], 1);
  expect({
    rc,
    status,
    entries: entriesOf(machine, task, 0, 2),
    reads: [task.read(0), task.read(1), task.write(0)],
    wrong: wrongContents(machine),
    ...counted(machine, 'pgmigrate_success', 'pgmigrate_fail'),
  }).toMatchInlineSnapshot(`
    {
      "entries": [
        "rw dirty exclusive @1",
        "ro dirty exclusive @1",
      ],
      "pgmigrate_fail": 0,
      "pgmigrate_success": 2,
      "rc": 0,
      "reads": [
        "ok",
        "ok",
        "ok",
      ],
      "status": [
        1,
        1,
      ],
      "wrong": 0,
    }
  `);
  machine.verify();
});

test('somebody else’s reference keeps the page where it is, as it was', () => {
  const { machine, task } = withPages(1);
  const pfn = pfnOf(machine, task, 0);
  machine.folios.addHolder(() => [pfn]);
  machine.folios.get(pfn);
  const { rc } = task.movePages([0], 1);
  expect({
    rc,
    entry: entryOf(machine, task, 0),
    same: pfnOf(machine, task, 0) === pfn,
    target: machine.usedPages(1),
    ...counted(machine, 'pgmigrate_success', 'pgmigrate_fail'),
  }).toMatchInlineSnapshot(`
    {
      "entry": "rw dirty exclusive @0",
      "pgmigrate_fail": 1,
      "pgmigrate_success": 0,
      "rc": 1,
      "same": true,
      "target": 0,
    }
  `);
  machine.verify();
});

test('so does a pin', () => {
  const { machine, task } = withPages(1);
  const pfn = task.pinLongterm(0);
  const pinned = [task.movePages([0], 1).rc, pfnOf(machine, task, 0) === pfn];
  task.unpin(pfn);
  expect([pinned, task.movePages([0], 1).rc, entryOf(machine, task, 0)]).toMatchInlineSnapshot(`
    [
      [
        1,
        true,
      ],
      0,
      "rw dirty exclusive @1",
    ]
  `);
  machine.verify();
});

test('a full target fails with -ENOMEM and moves what it could', () => {
  const machine = machineOf({ nodes: twoTiers(1024, 200) });
  const task = machine.createTask('t');
  task.mmap(0, 400);
  for (let vpn = 0; vpn < 400; vpn++) task.write(vpn);
  const { rc } = task.movePages([...Array(400).keys()], 1);
  const moved = task.where([...Array(400).keys()]).filter((nid) => nid === 1).length;
  expect([rc, moved > 100, moved === machine.usedPages(1)]).toEqual([-12, true, true]);
  machine.verify();
});

test('in the background the entries stand until the batch is paid for', () => {
  const { machine, task } = withPages(2);
  migrateInBackground(machine, task, 0);
  const during = [entryOf(machine, task, 0), machine.migrate.busy()];
  machine.verify();
  machine.clock.advance(1e6);
  expect({
    during,
    after: [entryOf(machine, task, 0), machine.migrate.busy()],
  }).toMatchInlineSnapshot(`
    {
      "after": [
        "rw dirty exclusive @1",
        false,
      ],
      "during": [
        "migration write",
        true,
      ],
    }
  `);
  expect([task.read(0), wrongContents(machine)]).toEqual(['ok', 0]);
  machine.verify();
});

test('who touches a page under way waits until it has arrived', () => {
  const { machine, task } = withPages(2);
  migrateInBackground(machine, task, 0);
  const until = machine.migrate.completionOf(machine.ptes.value[machine.ptes.find(task.mm.id, 0)]!);
  const begin = machine.clock.now;
  const result = task.write(0);
  expect({
    result,
    waited: machine.clock.now >= until && until > begin,
    entry: entryOf(machine, task, 0),
    wrong: wrongContents(machine),
  }).toMatchInlineSnapshot(`
    {
      "entry": "rw dirty exclusive @1",
      "result": "ok",
      "waited": true,
      "wrong": 0,
    }
  `);
  machine.verify();
});

test('a page under way can be unmapped, forked and protected', () => {
  const { machine, task } = withPages(3);
  for (let vpn = 0; vpn < 3; vpn++) migrateInBackground(machine, task, vpn);
  task.munmap(0, 1);
  task.mprotect(1, 1, 1);
  const child = task.fork('child');
  if (typeof child === 'number') throw new Error('fork');
  machine.verify();
  machine.clock.advance(1e6);
  machine.verify();
  expect({
    parent: entriesOf(machine, task, 0, 3),
    child: entriesOf(machine, child, 0, 3),
    reads: [task.read(1), child.read(1), child.write(2), task.read(2)],
    wrong: wrongContents(machine),
    used: machine.usedPages(1),
  }).toMatchInlineSnapshot(`
    {
      "child": [
        "none",
        "ro dirty @1",
        "ro dirty @1",
      ],
      "parent": [
        "none",
        "ro dirty @1",
        "ro dirty @1",
      ],
      "reads": [
        "ok",
        "ok",
        "ok",
        "ok",
      ],
      "used": 3,
      "wrong": 0,
    }
  `);
  machine.verify();
});

test('move_pages says why a page did not move', () => {
  const { machine, task } = withPages(2);
  task.mmap(5, 2);
  task.read(5);
  const child = task.fork('child');
  expect({
    status: task.movePages([0, 5, 6, 99], 1).status,
    noNode: task.movePages([0], 9).rc,
    where: task.where([0, 5, 6, 99]),
    child: typeof child,
  }).toMatchInlineSnapshot(`
    {
      "child": "object",
      "noNode": -19,
      "status": [
        -13,
        -14,
        -2,
        -14,
      ],
      "where": [
        0,
        -14,
        -2,
        -14,
      ],
    }
  `);
  machine.verify();
});

test('who punches a hole waits for pages of the file that are under way', () => {
  const { machine, task, file } = withSharedFile();
  migrateInBackground(machine, task, 0);
  machine.truncate.punchHole(file, 0, 1);
  machine.spend();
  expect([...file.pages.keys()]).toEqual([1]);
  expect(task.read(0)).toBe('ok');
  expect(machine.table.version[pfnOf(machine, task, 0)]).toBe(0);
  expect(wrongContents(machine)).toBe(0);
  machine.verify();
});

test('who faults on a page of a file that is under way waits for it, and so does write(2)', () => {
  const { machine, task, file } = withSharedFile();
  migrateInBackground(machine, task, 0);
  migrateInBackground(machine, task, 1);
  const child = task.fork('child');
  if (typeof child === 'number') throw new Error('fork failed');
  const written = machine.filemap.write(file, 1, 0);
  expect([child.write(0), child.read(1), task.read(0)]).toEqual(['ok', 'ok', 'ok']);
  expect(machine.table.version[pfnOf(machine, task, 0)]).toBe(file.expected.get(0));
  expect(machine.table.version[pfnOf(machine, child, 1)]).toBe(written);
  expect(entriesOf(machine, child, 0, 2)).toEqual(['rw dirty @1', 'rw @1']);
  expect(wrongContents(machine)).toBe(0);
  machine.verify();
});
