import {
  createMachine,
  EBUSY,
  EFAULT,
  EINVAL,
  EOPNOTSUPP,
  EREMOTEIO,
  type Machine,
  type Plugin,
  PROT_READ,
  PROT_WRITE,
  type Task,
  VM_MAYSHARE,
  VM_SHARED,
  vmFlags,
} from '@mm-lab/mm-core';
import { Peek } from '@mm-lab/testkit';
import { expect, test } from 'vitest';
import {
  bindZoneDevice,
  type DevPagemap,
  type InsertPage,
  InsertPageToken,
  MEMORY_DEVICE_FS_DAX,
  MEMORY_DEVICE_GENERIC,
  MEMORY_DEVICE_PCI_P2PDMA,
  type MemoryType,
  type Memremap,
  MemremapToken,
} from '../src/index.js';

interface Mapped {
  readonly machine: Machine;
  readonly memremap: Memremap;
  readonly insertPage: InsertPage;
  readonly pgmap: DevPagemap;
  readonly task: Task;
  readonly freed: number[];
}

/** A machine whose node 1 is a page map of the type, and a program with an area at page 16. */
function mapped(type: MemoryType, refusal = 0, pages = 64): Mapped {
  const plugin: Plugin = { name: 'map', register: bindZoneDevice };
  const peek = new Peek();
  const nodes = [
    { id: 0, pages: 1024, cpus: 1 },
    { id: 1, pages, online: false },
  ];
  const machine = createMachine({ seed: 1, nodes }, [plugin, peek]);
  const memremap = peek.services.get(MemremapToken);
  const insertPage = peek.services.get(InsertPageToken);
  const freed: number[] = [];
  const ops = { folio_free: (folio: number) => freed.push(folio) };
  const pgmap = memremap.memremapPages({
    ...{ name: 'map', type, nid: 1, device: null, owner: null, ops },
  });
  if (typeof pgmap === 'number') throw new Error(`errno ${pgmap}`);
  const task = machine.createTask('task');
  const file = machine.files.create('shmem', 'f', pages * 4096);
  file.longtermRefusal = refusal;
  const flags = vmFlags(PROT_READ | PROT_WRITE) | VM_SHARED | VM_MAYSHARE;
  expect(machine.mmap.mmap(task.mm, 16, 16, flags, { file, pgoff: 0 })).toBe(0);
  return { machine, memremap, insertPage, pgmap, task, freed };
}

test('a DAX page: no long-term pin, a short one keeps it from being idle', () => {
  const { machine, memremap, insertPage, pgmap, task } = mapped(MEMORY_DEVICE_FS_DAX, -EOPNOTSUPP);
  const { gup, table, folios } = machine;
  const pfn = pgmap.base;
  const idle: string[] = [];
  memremap.whenIdle(pfn, () => idle.push('never used'));
  expect(insertPage.insert(task.mm, 16, pfn)).toBe(0);
  expect([table.refcount[pfn], table.mapcount[pfn]]).toEqual([1, 1]);
  machine.verify();
  expect(gup.pinLongterm(task.mm, 16, 0)).toBe(-EOPNOTSUPP);
  expect(gup.getUserPage(task.mm, 16, 0)).toBe(pfn);
  memremap.whenIdle(pfn, () => idle.push('unmapped and put'));
  task.munmap(16, 16);
  expect([table.refcount[pfn], table.mapcount[pfn]]).toEqual([1, 0]);
  expect([memremap.busyPage(pgmap), memremap.memunmapPages(pgmap)]).toEqual([pfn, -EBUSY]);
  expect(idle).toEqual(['never used']);
  folios.put(pfn);
  expect(idle).toEqual(['never used', 'unmapped and put']);
  expect([memremap.busyPage(pgmap), memremap.memunmapPages(pgmap)]).toEqual([-1, 0]);
  machine.verify();
});

test('a DAX page that a program maps twice has two references', () => {
  const { machine, insertPage, pgmap, task } = mapped(MEMORY_DEVICE_FS_DAX);
  expect(insertPage.insert(task.mm, 16, pgmap.base)).toBe(0);
  expect(insertPage.insert(task.mm, 17, pgmap.base)).toBe(0);
  expect(insertPage.insert(task.mm, 17, pgmap.base + 1)).toBe(-EBUSY);
  const { refcount, mapcount } = machine.table;
  expect([refcount[pgmap.base], mapcount[pgmap.base]]).toEqual([2, 2]);
  machine.verify();
  task.exit();
  expect([refcount[pgmap.base], mapcount[pgmap.base]]).toEqual([0, 0]);
  machine.verify();
});

test('a huge page of a DAX file is one entry, and idle when its last part is unmapped', () => {
  const { machine, memremap, insertPage, pgmap, task } = mapped(MEMORY_DEVICE_FS_DAX, 0, 1024);
  const { table, ptes, files } = machine;
  const pfn = pgmap.base;
  const file = files.create('shmem', 'g', 1024 * 4096);
  const flags = vmFlags(PROT_READ | PROT_WRITE) | VM_SHARED | VM_MAYSHARE;
  expect(machine.mmap.mmap(task.mm, 1024, 1024, flags, { file, pgoff: 0 })).toBe(0);
  expect(insertPage.insertHuge(task.mm, 1025, pfn)).toBe(-EFAULT);
  expect(insertPage.insertHuge(task.mm, 1024, pfn + 1)).toBe(-EINVAL);
  expect(insertPage.insertHuge(task.mm, 1024, pfn)).toBe(0);
  expect(insertPage.insertHuge(task.mm, 1024, pfn + 512)).toBe(-EBUSY);
  expect(ptes.isHuge(ptes.find(task.mm.id, 1024))).toBe(true);
  expect(table.refcount[pfn]).toBe(512);
  machine.verify();
  expect(insertPage.insertHuge(task.mm, 1536, pfn), 'twice').toBe(0);
  expect(table.refcount[pfn]).toBe(1024);
  machine.verify();
  const idle: number[] = [];
  memremap.whenIdle(pfn, () => idle.push(pfn));
  task.munmap(1024, 512);
  expect([table.refcount[pfn], memremap.memunmapPages(pgmap), idle]).toEqual([512, -EBUSY, []]);
  // A huge entry of a file is emptied rather than split: what is left is found again at a fault.
  task.munmap(1600, 8);
  expect([table.refcount[pfn], table.order[pfn], idle]).toEqual([0, 0, [pfn]]);
  expect(insertPage.insert(task.mm, 1536, pfn)).toBe(0);
  expect(insertPage.insertHuge(task.mm, 1024, pfn)).toBe(-EFAULT);
  machine.verify();
  task.exit();
  expect(memremap.memunmapPages(pgmap)).toBe(0);
  machine.verify();
});

test('a page of a PCI window is for those who say that they can handle it', () => {
  const { machine, memremap, insertPage, pgmap, task, freed } = mapped(MEMORY_DEVICE_PCI_P2PDMA);
  const { gup, folios, table } = machine;
  const pfn = pgmap.base + 3;
  expect(insertPage.insert(task.mm, 16, pfn), 'a free page is not mapped').toBe(-EINVAL);
  memremap.pageInit(pgmap, pfn);
  folios.unlock(pfn);
  expect(insertPage.insert(task.mm, 16, pfn)).toBe(0);
  folios.put(pfn);
  machine.verify();
  expect(gup.getUserPage(task.mm, 16, 0)).toBe(-EREMOTEIO);
  expect(gup.pinLongterm(task.mm, 16, 0)).toBe(-EREMOTEIO);
  expect(gup.getUserPage(task.mm, 16, 0, true)).toBe(pfn);
  task.exit();
  expect([freed.length, table.refcount[pfn], memremap.memunmapPages(pgmap)]).toEqual([
    ...[0, 1, -EBUSY],
  ]);
  folios.put(pfn);
  expect([freed, pgmap.allocated, memremap.memunmapPages(pgmap)]).toEqual([[pfn], 0, 0]);
  machine.verify();
});

test('a page of a character device rests at one reference and is pinned where it is', () => {
  const { machine, memremap, insertPage, pgmap, task, freed } = mapped(MEMORY_DEVICE_GENERIC);
  const { gup, table } = machine;
  const pfn = pgmap.base;
  expect(insertPage.insert(task.mm, 16, pfn)).toBe(0);
  expect(table.refcount[pfn]).toBe(2);
  expect(gup.pinLongterm(task.mm, 16, 0)).toBe(pfn);
  machine.verify();
  task.exit();
  expect(memremap.memunmapPages(pgmap)).toBe(-EBUSY);
  gup.unpin(pfn);
  expect([table.refcount[pfn], freed, memremap.memunmapPages(pgmap)]).toEqual([1, [], 0]);
  machine.verify();
});
