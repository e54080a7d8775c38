import { describe, expect, test } from 'vitest';
import {
  type AddressSpace,
  type Machine,
  PROT_READ,
  PROT_WRITE,
  Prng,
  PTE_WRITE,
  type Task,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_SHARED,
  vmFlags,
} from '../../src/index.js';
import { machineOf } from '../machine-of.js';

const RW = vmFlags(PROT_READ | PROT_WRITE) | VM_MAYREAD | VM_MAYWRITE;

function map(machine: Machine, task: Task, at: number, file: AddressSpace, flags: number): void {
  machine.mmap.mmap(task.mm, at, file.sizePages, RW | flags, { file, pgoff: 0 });
}

function frame(machine: Machine, task: Task, vpn: number): number {
  return machine.ptes.value[machine.ptes.slot(task.mm.id, vpn)]!;
}

describe('shared memory', () => {
  test('is one page for everybody, the child of a fork faults it in again', () => {
    const machine = machineOf({ nodes: [{ id: 0, pages: 4096, cpus: 1 }] });
    const file = machine.files.create('shmem', 'f', 8 * 4096);
    const parent = machine.createTask('parent');
    map(machine, parent, 1000, file, VM_SHARED);
    expect(parent.write(1000)).toBe('ok');
    const child = parent.fork('child');
    if (typeof child === 'number') throw new Error('fork failed');
    expect(machine.ptes.find(child.mm.id, 1000)).toBe(-1);
    expect(child.read(1000)).toBe('ok');
    expect(frame(machine, child, 1000)).toBe(frame(machine, parent, 1000));
    expect(child.write(1000)).toBe('ok');
    expect(parent.read(1000)).toBe('ok');
    expect(machine.engine.shadow.counts).toMatchObject({ staleReads: 0 });
    machine.verify();
  });

  test('a load maps it writable at once, so the store after it does not fault', () => {
    const machine = machineOf({ nodes: [{ id: 0, pages: 4096, cpus: 1 }] });
    const file = machine.files.create('shmem', 'f', 4096);
    const task = machine.createTask('t');
    map(machine, task, 1000, file, VM_SHARED);
    task.read(1000);
    const before = task.struct.minFlt;
    task.write(1000);
    expect(task.struct.minFlt).toBe(before);
  });

  test('where no huge page fits it gets base pages, as the files of sizes say nothing', () => {
    const machine = machineOf({ nodes: [{ id: 0, pages: 4096, cpus: 1 }] });
    machine.pseudoFiles.write('/sys/kernel/mm/transparent_hugepage/shmem_enabled', 'always');
    const file = machine.files.create('shmem', 'memfd:f', 1536 * 4096);
    const task = machine.createTask('t');
    machine.mmap.mmap(task.mm, 1024, 1024, RW | VM_SHARED, { file, pgoff: 100 });
    task.write(1024);
    expect([task.mm.rss, file.pages.size]).toEqual([1, 1]);
    machine.verify();
  });

  test('behind the end of the file is SIGBUS, and truncation takes private copies too', () => {
    const machine = machineOf({ nodes: [{ id: 0, pages: 4096, cpus: 1 }] });
    const file = machine.files.create('shmem', 'f', 4 * 4096);
    const task = machine.createTask('t');
    map(machine, task, 1000, file, 0);
    expect(task.write(1003)).toBe('ok');
    machine.truncate.setSize(file, 2 * 4096);
    expect([task.read(1001), task.read(1003)]).toEqual(['ok', 'SIGBUS']);
    machine.verify();
  });
});

describe('a private mapping of a file', () => {
  test('maps sixteen pages from the start of the area on, wherever the aligned window ends', () => {
    const machine = machineOf({ nodes: [{ id: 0, pages: 4096, cpus: 1 }] });
    const file = machine.files.create('shmem', 'f', 24 * 4096);
    const task = machine.createTask('t');
    map(machine, task, 2048, file, VM_SHARED);
    for (let page = 0; page < 24; page++) task.write(2048 + page);
    map(machine, task, 1036, file, VM_SHARED);
    task.read(1036);
    const mapped = Array.from({ length: 24 }, (_, page) => {
      return machine.ptes.bits[machine.ptes.slot(task.mm.id, 1036 + page)] !== 0;
    });
    expect(mapped.filter(Boolean).length).toBe(16);
    expect(mapped[15]).toBe(true);
  });

  test('leaves out a cached page that is poisoned', () => {
    const machine = machineOf({ nodes: [{ id: 0, pages: 4096, cpus: 1 }] });
    const file = machine.files.create('shmem', 'f', 16 * 4096);
    for (let index = 0; index < 16; index++) machine.filemap.write(file, index, 0);
    expect(machine.memoryFailure.memoryFailure(file.pages.get(5) ?? -1, 0)).toBe(0);
    const task = machine.createTask('t');
    map(machine, task, 1024, file, 0);
    expect(task.read(1024)).toBe('ok');
    expect(task.mm.rss).toBe(15);
    expect(machine.ptes.bits[machine.ptes.slot(task.mm.id, 1029)]).toBe(0);
    machine.verify();
  });

  test('maps cached pages around a load, read-only, and copies at a store', () => {
    const machine = machineOf({ nodes: [{ id: 0, pages: 4096, cpus: 1 }] });
    const file = machine.files.create('regular', 'f', 40 * 4096);
    for (let index = 0; index < 40; index++) machine.filemap.write(file, index, 0);
    const task = machine.createTask('t');
    map(machine, task, 1024, file, 0);
    task.read(1024);
    expect([task.mm.rss, task.struct.minFlt]).toEqual([16, 1]);
    expect(machine.ptes.bits[machine.ptes.slot(task.mm.id, 1024)]! & PTE_WRITE).toBe(0);
    const cached = frame(machine, task, 1024);
    task.write(1024);
    expect(frame(machine, task, 1024)).not.toBe(cached);
    machine.truncate.syncAll();
    machine.truncate.dropClean();
    expect(task.read(1040)).toBe('ok');
    expect(task.struct.majFlt).toBe(1);
    expect(machine.engine.shadow.counts).toMatchObject({ staleReads: 0 });
    machine.verify();
  });
});

test.each([1, 2, 3])('programs with shared and private files keep every invariant (%i)', (seed) => {
  const machine = machineOf({
    nodes: [
      { id: 0, pages: 4096, cpus: 1 },
      { id: 1, pages: 4096 },
    ],
  });
  const prng = new Prng(seed);
  const files = [
    machine.files.create('shmem', 'a', 32 * 4096),
    machine.files.create('regular', 'b', 32 * 4096),
  ];
  const tasks = [machine.createTask('t0')];
  for (let step = 0; step < 300; step++) {
    const task = tasks[prng.below(tasks.length)]!;
    const file = files[prng.below(2)]!;
    const at = 1024 + 64 * prng.below(4);
    const act = prng.below(8);
    if (act === 0) map(machine, task, at, file, prng.below(2) * VM_SHARED);
    else if (act === 1) task.munmap(at + prng.below(16), 1 + prng.below(16));
    else if (act === 2 && tasks.length < 4) {
      const child = task.fork(`t${tasks.length}`);
      if (typeof child !== 'number') tasks.push(child);
    } else if (act === 3) task.movePages([at, at + 1, at + 2], prng.below(2));
    else if (act === 4 && prng.below(8) === 0) machine.truncate.punchHole(file, 4, 12);
    else if (act === 5) {
      machine.truncate.syncAll();
      machine.truncate.dropClean();
    } else if (prng.below(2) === 0) task.write(at + prng.below(32));
    else task.read(at + prng.below(32));
    machine.verify();
  }
  expect(machine.engine.shadow.counts).toMatchObject({ staleReads: 0, lostPages: 0 });
});
