import {
  ENOMEM,
  type Machine,
  PG_dirty,
  PROT_READ,
  PROT_WRITE,
  VM_MAYREAD,
  VM_MAYWRITE,
  VM_SHARED,
  vmFlags,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { DEVICE, DRAM, fillDram, machineOf } from './support.js';

const PAGES = 8;
const HUGE = 512;
const VPNS = pages(PAGES);

function pages(count: number): readonly number[] {
  return [...Array(count).keys()];
}

/** A file whose pages a task stored to. */
function filled(machine: Machine, kind: 'shmem' | 'regular', count: number) {
  const file = machine.files.create(kind, 'f', count * 4096);
  const task = machine.createTask('t');
  const flags = vmFlags(PROT_READ | PROT_WRITE) | VM_MAYREAD | VM_MAYWRITE | VM_SHARED;
  machine.mmap.mmap(task.mm, 0, count, flags, { file, pgoff: 0 });
  for (const vpn of pages(count)) task.write(vpn);
  machine.folios.lruAddDrainAll();
  return { file, task };
}

/** The same, and then they went to the node. */
function onNode(kind: 'shmem' | 'regular', bufferedWrites: 'v4' | 'mended', dramPages = 1024) {
  const made = machineOf({ dramPages, devicePages: 1024, bufferedWrites, sharedMaps: 'mended' });
  const { machine } = made;
  const { file, task } = filled(machine, kind, PAGES);
  task.movePages(VPNS, DEVICE);
  expect(new Set(task.where(VPNS))).toEqual(new Set([DEVICE]));
  return { machine, file, task };
}

test.each(['shmem', 'regular'] as const)('write(2) to a page of %s on the node', (kind) => {
  const tell = (mend: 'v4' | 'mended'): unknown => {
    const { machine, file, task } = onNode(kind, mend);
    const written = machine.filemap.write(file, 3, DRAM);
    expect(written).toBeGreaterThan(0);
    expect(machine.filemap.read(file, 3, DRAM)).toBe(written);
    expect(task.read(3)).toBe('ok');
    const page = file.pages.get(3) ?? -1;
    expect(machine.table.has(machine.table.head(page), PG_dirty)).toBe(true);
    machine.verify();
    expect(machine.engine.shadow.counts).toMatchObject({ staleReads: 0, lostPages: 0 });
    return task.where([2, 3, 4]);
  };
  expect([tell('v4'), tell('mended')]).toEqual([
    [DEVICE, DEVICE, DEVICE],
    [DEVICE, DRAM, DEVICE],
  ]);
});

test('write(2) to one page of a large folio moves the folio whole, and changes one page', () => {
  const tell = (bufferedWrites: 'v4' | 'mended'): unknown => {
    const made = machineOf({
      dramPages: 4096,
      devicePages: 2048,
      bufferedWrites,
      sharedMaps: 'mended',
    });
    const { machine } = made;
    machine.pseudoFiles.write('/sys/kernel/mm/transparent_hugepage/shmem_enabled', 'force');
    const { file, task } = filled(machine, 'shmem', HUGE);
    task.movePages(pages(HUGE), DEVICE);
    const before = pages(HUGE).map((index) => machine.filemap.read(file, index, DRAM));
    const written = machine.filemap.write(file, 3, DRAM);
    const after = pages(HUGE).map((index) => machine.filemap.read(file, index, DRAM));
    expect(after).toEqual(before.map((key, index) => (index === 3 ? written : key)));
    expect(machine.table.nrPages(machine.table.head(file.pages.get(3) ?? -1))).toBe(HUGE);
    machine.verify();
    expect(machine.engine.shadow.counts).toMatchObject({ staleReads: 0, lostPages: 0 });
    return [...new Set(task.where(pages(HUGE)))];
  };
  expect([tell('v4'), tell('mended')]).toEqual([[DEVICE], [DRAM]]);
});

test('a read(2) leaves the page where it is', () => {
  const { machine, file, task } = onNode('shmem', 'mended');
  machine.filemap.read(file, 3, DRAM);
  expect(task.where([3])).toEqual([DEVICE]);
});

test('with DRAM full the write fails, changes nothing, and can be tried again', () => {
  const { machine, file, task } = onNode('shmem', 'mended', 256);
  machine.pseudoFiles.write('/sys/kernel/mm/numa/demotion_enabled', '0');
  const before = machine.filemap.read(file, 3, DRAM);
  fillDram(machine);
  expect(machine.filemap.write(file, 3, DRAM)).toBe(-ENOMEM);
  expect(machine.filemap.read(file, 3, DRAM)).toBe(before);
  expect(task.where([3])).toEqual([DEVICE]);
  machine.verify();
});
