import { expect, test } from 'vitest';
import {
  MADV_MERGEABLE,
  MADV_UNMERGEABLE,
  type Machine,
  PageData,
  type Plugin,
  PROT_NONE,
  Prng,
  type Task,
} from '../../src/index.js';
import { entriesOf, machineOf, pfnOf, wrongContents } from '../machine-of.js';

const KSM = '/sys/kernel/mm/ksm';
const MS = 1_000_000;

/** Every store of a test writes these bytes. */
let bytes = 1;

/** Contents that are what `bytes` was at their store. */
function namedBytes(): Plugin {
  const byVersion = new Map<number, number>();
  const data: PageData = {
    keyOf: (_vpn, version) => {
      const key = byVersion.get(version) ?? bytes;
      byVersion.set(version, key);
      return key;
    },
    render: (_key, out) => out.fill(0),
    compressedSize: () => 32,
  };
  return { name: 'bytes', register: (services) => services.bindValue(PageData, data) };
}

function mergeable(pages: number): { machine: Machine; task: Task } {
  const machine = machineOf({ plugins: [namedBytes()] });
  const task = machine.createTask('t');
  task.mmap(0, pages);
  task.madvise(0, pages, MADV_MERGEABLE);
  return { machine, task };
}

function store(task: Task, vpn: number, value: number): void {
  bytes = value;
  task.write(vpn);
}

function ksmd(machine: Machine, ms: number): void {
  machine.pseudoFiles.write(`${KSM}/run`, '1');
  machine.sleep(ms * MS);
}

function counter(machine: Machine, name: string): number {
  return Number(machine.pseudoFiles.read(`${KSM}/${name}`));
}

test('equal pages become one, read-only; a store makes a copy and the others stay', () => {
  const { machine, task } = mergeable(4);
  for (let vpn = 0; vpn < 3; vpn++) store(task, vpn, 7);
  store(task, 3, 8);
  const second = pfnOf(machine, task, 1);
  ksmd(machine, 200);
  const merged = [0, 1, 2].map((vpn) => pfnOf(machine, task, vpn) === second);
  const counts = [counter(machine, 'pages_shared'), counter(machine, 'pages_sharing')];
  machine.verify();
  store(task, 0, 9);
  for (let vpn = 0; vpn < 4; vpn++) task.read(vpn);
  expect({
    merged,
    counts,
    entries: entriesOf(machine, task, 0, 4),
    copies: machine.vmstat().cow_ksm,
    wrong: wrongContents(machine),
  }).toMatchInlineSnapshot(`
    {
      "copies": 1,
      "counts": [
        1,
        2,
      ],
      "entries": [
        "rw dirty exclusive @0",
        "ro @0",
        "ro @0",
        "rw dirty exclusive @0",
      ],
      "merged": [
        true,
        true,
        true,
      ],
      "wrong": 0,
    }
  `);
  machine.verify();
});

test('UNMERGEABLE and run = 2 give every page back, a pinned page is never merged', () => {
  const { machine, task } = mergeable(8);
  for (let vpn = 0; vpn < 8; vpn++) store(task, vpn, 5);
  const pinned = task.pinLongterm(0);
  ksmd(machine, 200);
  const merged = counter(machine, 'pages_sharing');
  machine.pseudoFiles.write(`${KSM}/run`, '0');
  task.madvise(0, 4, MADV_UNMERGEABLE);
  const frames = new Set([0, 1, 2, 3].map((vpn) => pfnOf(machine, task, vpn))).size;
  machine.verify();
  machine.pseudoFiles.write(`${KSM}/run`, '2');
  const all = new Set([0, 1, 2, 3, 4, 5, 6, 7].map((vpn) => pfnOf(machine, task, vpn))).size;
  task.unpin(pinned);
  machine.verify();
  expect({ merged, frames, all, left: counter(machine, 'pages_shared') }).toEqual({
    merged: 6,
    frames: 4,
    all: 8,
    left: 0,
  });
});

test('whatever tasks do meanwhile, contents stay right and everything adds up', () => {
  const random = new Prng(3);
  const { machine, task } = mergeable(16);
  const tasks = [task];
  machine.pseudoFiles.write(`${KSM}/use_zero_pages`, '1');
  ksmd(machine, 1);
  for (let step = 0; step < 400; step++) {
    const at = tasks[random.below(tasks.length)];
    const vpn = random.below(16);
    const choice = random.below(20);
    if (at === undefined) break;
    if (choice < 8) store(at, vpn, random.below(4));
    else if (choice < 14) at.read(vpn);
    else if (choice === 14) at.madvise(vpn, 1, MADV_UNMERGEABLE);
    else if (choice === 15) at.madvise(0, 16, MADV_MERGEABLE);
    else if (choice === 16 && tasks.length < 3) {
      const child = at.fork('child');
      if (typeof child !== 'number') tasks.push(child);
    } else if (choice === 17 && tasks.length > 1) tasks.pop()?.exit();
    else machine.sleep(50 * MS);
    if (step % 20 === 0) machine.verify();
  }
  expect(wrongContents(machine)).toBe(0);
  machine.verify();
});

test('what is merged in a closed area stays closed, and so does what is unmerged', () => {
  const { machine, task } = mergeable(2);
  for (let vpn = 0; vpn < 2; vpn++) store(task, vpn, 7);
  task.mprotect(0, 2, PROT_NONE);
  ksmd(machine, 100);
  expect(pfnOf(machine, task, 0)).toBe(pfnOf(machine, task, 1));
  expect([task.read(0), task.read(1)]).toEqual(['SIGSEGV', 'SIGSEGV']);
  task.madvise(0, 2, MADV_UNMERGEABLE);
  expect(pfnOf(machine, task, 0)).not.toBe(pfnOf(machine, task, 1));
  expect([task.read(0), task.read(1)]).toEqual(['SIGSEGV', 'SIGSEGV']);
  machine.verify();
});

test('nothing is merged into a page that was poisoned', () => {
  const { machine, task } = mergeable(4);
  store(task, 0, 7);
  store(task, 1, 7);
  ksmd(machine, 500);
  const poisoned = pfnOf(machine, task, 0);
  expect(machine.memoryFailure.memoryFailure(poisoned, 0)).toBe(0);
  store(task, 2, 7);
  store(task, 3, 7);
  ksmd(machine, 500);
  expect(pfnOf(machine, task, 2)).toBe(pfnOf(machine, task, 3));
  expect(pfnOf(machine, task, 2)).not.toBe(poisoned);
  machine.verify();
});
