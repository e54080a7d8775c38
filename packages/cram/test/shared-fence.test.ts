import {
  type AddressSpace,
  MADV_DONTNEED,
  type Machine,
  PMD_HUGE,
  PROT_READ,
  PROT_WRITE,
  type Task,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_SHARED,
  vmFlags,
} from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import { type CramMachine, DEVICE, DRAM, machineOf } from './support.js';

const RW = PROT_READ | PROT_WRITE;
const PAGES = 4;
const HUGE = 512;

/** A task that maps the whole file at page 0, shared. */
function mapping(machine: Machine, file: AddressSpace, prot = RW): Task {
  const task = machine.createTask('t');
  const flags = vmFlags(prot) | VM_MAYREAD | VM_MAYWRITE | VM_SHARED;
  machine.mmap.mmap(task.mm, 0, file.sizePages, flags, { file, pgoff: 0 });
  return task;
}

/** Shared memory that a task wrote and that then went to the node. */
function moved(made: CramMachine, pages: number, kind: 'shmem' | 'regular' = 'shmem') {
  const { machine } = made;
  const file = machine.files.create(kind, 'f', pages * 4096);
  const writer = mapping(machine, file);
  for (let vpn = 0; vpn < pages; vpn++) expect(writer.write(vpn)).toBe('ok');
  machine.folios.lruAddDrainAll();
  const vpns = Array.from({ length: pages }, (_, vpn) => vpn);
  writer.movePages(vpns, DEVICE);
  expect(new Set(writer.where(vpns))).toEqual(new Set([DEVICE]));
  return { machine, file, writer };
}

/** Node that holds the first page after a store to it. */
function storedOn(task: Task): number {
  expect(task.write(0)).toBe('ok');
  return task.where([0])[0]!;
}

/** The same story as v4 tells it and mended. */
function both(story: (made: CramMachine) => number, devicePages = 1024): object {
  const tell = (sharedMaps: 'v4' | 'mended'): number => {
    const made = machineOf({ dramPages: 4096, devicePages, sharedMaps });
    const told = story(made);
    made.machine.verify();
    expect(made.machine.engine.shadow.counts).toMatchObject({ staleReads: 0 });
    return told;
  };
  return { v4: tell('v4'), mended: tell('mended') };
}

const HOLE = { v4: DEVICE, mended: DRAM };

describe('a store to shared memory on the node, which v4 lets through', () => {
  test('by a task that maps it for the first time', () => {
    const story = (made: CramMachine): number => {
      const { machine, file } = moved(made, PAGES);
      return storedOn(mapping(machine, file));
    };
    expect(both(story)).toEqual(HOLE);
  });

  test('by a task that loaded it before, and by the child of a fork', () => {
    const story = (made: CramMachine): number => {
      const { machine, file } = moved(made, PAGES);
      const other = mapping(machine, file);
      expect(other.read(0)).toBe('ok');
      const child = other.fork('child');
      if (typeof child === 'number') throw new Error('fork');
      expect(child.read(1)).toBe('ok');
      return storedOn(child);
    };
    expect(both(story)).toEqual(HOLE);
  });

  test('after the mapping was dropped', () => {
    const story = (made: CramMachine): number => {
      const { writer } = moved(made, PAGES);
      writer.madvise(0, PAGES, MADV_DONTNEED);
      return storedOn(writer);
    };
    expect(both(story)).toEqual(HOLE);
  });

  test('after mprotect', () => {
    const story = (made: CramMachine): number => {
      const { writer } = moved(made, PAGES);
      writer.mprotect(0, PAGES, PROT_READ);
      writer.mprotect(0, PAGES, RW);
      return storedOn(writer);
    };
    expect(both(story)).toEqual(HOLE);
  });

  test('through a PMD of a huge page', () => {
    const story = (made: CramMachine): number => {
      const { machine } = made;
      machine.pseudoFiles.write('/sys/kernel/mm/transparent_hugepage/shmem_enabled', 'force');
      const { file } = moved(made, HUGE);
      const reader = mapping(machine, file, PROT_READ);
      expect(reader.read(0)).toBe('ok');
      const leaf = machine.ptes.slot(reader.mm.id, 0) / HUGE;
      expect(machine.ptes.pmd[leaf]).toBe(PMD_HUGE);
      expect(reader.mprotect(0, HUGE, RW)).toBe(0);
      const first = storedOn(reader);
      expect(storedOn(mapping(machine, file))).toBe(first);
      return first;
    };
    expect(both(story, 2048)).toEqual(HOLE);
  });
});

test('a dirty page of a file on disk is not opened by mprotect: there v4 asks', () => {
  const story = (made: CramMachine): number => {
    const { writer } = moved(made, PAGES, 'regular');
    writer.mprotect(0, PAGES, PROT_READ);
    writer.mprotect(0, PAGES, RW);
    return storedOn(writer);
  };
  expect(both(story)).toEqual({ v4: DRAM, mended: DRAM });
});
