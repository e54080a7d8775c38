import {
  assert,
  EBUSY,
  GFP_HIGHUSER_MOVABLE,
  type Machine,
  type Memcontrol,
  MemcontrolToken,
  MMU_NOTIFY_CLEAR,
  type MmuNotifiers,
  MmuNotifiersToken,
  PMD_ORDER,
  type Services,
  type Task,
  VM_FAULT_SIGBUS,
} from '@mm-lab/mm-core';
import {
  type Dmirror,
  type Memremap,
  MemremapToken,
  MIGRATE_PFN_MIGRATE,
  type MigrateDevice,
  MigrateDeviceToken,
  type MigrateVma,
  MigrateVmaToken,
  migratePfn,
} from '../../src/index.js';

/** What the injections reach into. */
export interface ProgramParts {
  readonly migrateVma: MigrateVma;
  readonly migrateDevice: MigrateDevice;
  readonly memremap: Memremap;
  readonly memcontrol: Memcontrol;
  readonly notifiers: MmuNotifiers;
}

/** Those of a machine with a driver of device memory. */
export function partsOf(services: Services): ProgramParts {
  return {
    migrateVma: services.get(MigrateVmaToken),
    migrateDevice: services.get(MigrateDeviceToken),
    memremap: services.get(MemremapToken),
    memcontrol: services.get(MemcontrolToken),
    notifiers: services.get(MmuNotifiersToken),
  };
}

/** Where a fault is injected. */
export interface Injected {
  readonly machine: Machine;
  readonly task: Task;
  readonly parts: ProgramParts;
  /** An injection took effect. */
  readonly count: (name: string) => void;
}

interface DisturbedRange {
  readonly start: number;
  readonly end: number;
  readonly isDisturbed: boolean;
}

/** Back to RAM by the driver's command, with a copy that fails once: nothing of its batch moves. */
export function back(
  { count }: Injected,
  handle: Dmirror,
  { start, end, isDisturbed }: DisturbedRange,
): void {
  const { device } = handle;
  let failed = 0;
  if (isDisturbed) device.failCopy = (way) => way === 'back' && failed++ === 0;
  const { rc } = handle.migrateToSystem(start, end);
  device.failCopy = () => false;
  if (failed === 0) return;
  assert(rc < 0, 'a copy back that fails is told');
  count('copy back');
}

/** A touch of private memory whose copy fails: SIGBUS, and the page stays as it was. */
export function faultBack(
  { machine, task, count }: Injected,
  handles: readonly Dmirror[],
  start: number,
): void {
  const { ptes, memory } = machine;
  for (const { device } of handles) {
    if (!device.isPrivate()) continue;
    let found = -1;
    ptes.walk(task.mm.id, start, Infinity, (slot, vpn) => {
      if (found < 0 && device.owns(ptes.value[slot]!)) found = vpn;
    });
    if (found < 0) continue;
    const before = ptes.value[ptes.find(task.mm.id, found)];
    device.failCopy = (way) => way === 'back';
    let result = memory.handleMmFault(task.mm, found, false, 0);
    // A tail of a large folio is only split out of it, and the access faults again.
    if (result === 0) result = memory.handleMmFault(task.mm, found, false, 0);
    device.failCopy = () => false;
    assert(result === VM_FAULT_SIGBUS, 'the program is told');
    assert(ptes.value[ptes.find(task.mm.id, found)] === before, 'the page stays');
    count('copy back of a fault');
  }
}

/** Somebody changes the range while the device faults it in: it looks again. */
export function mirrorRead(
  { machine, parts, task, count }: Injected,
  handle: Dmirror,
  { start, end, isDisturbed }: DisturbedRange,
): void {
  const { memory } = machine;
  const fault = memory.handleMmFault.bind(memory);
  if (isDisturbed) {
    memory.handleMmFault = (...args) => {
      memory.handleMmFault = fault;
      count('notifier retry');
      const result = fault(...args);
      parts.notifiers.invalidate(task.mm.id, start, end, MMU_NOTIFY_CLEAR);
      return result;
    };
  }
  const { rc, pages } = handle.mirror.read(start, end);
  memory.handleMmFault = fault;
  assert(rc !== 0 || pages === end - start, 'a range that changed is read all the same');
}

/** By pfn a whole source is not split for a base destination: it stays. */
export function splitWithoutVma({ machine, parts, count }: Injected, handle: Dmirror): void {
  const { table, pageAlloc, folios } = machine;
  const { migrateDevice } = parts;
  const folio = hugeFolioOf(machine, handle);
  if (folio < 0) return;
  const pages = table.nrPages(folio);
  const entries = migrateDevice.range(folio, pages);
  if ((entries.src[0]! & MIGRATE_PFN_MIGRATE) !== 0) {
    const request = { gfp: GFP_HIGHUSER_MOVABLE, order: 0, nid: 0, nodemask: null };
    const target = pageAlloc.alloc(request);
    folios.trylock(target);
    entries.dst[0] = migratePfn(target);
    migrateDevice.pages(entries);
    assert((entries.src[0]! & MIGRATE_PFN_MIGRATE) === 0, 'the whole source drops out');
    count('split without a vma');
  }
  migrateDevice.finalize(entries);
  assert(table.nrPages(folio) === pages, 'and stays whole');
}

function hugeFolioOf({ table }: Machine, { device }: Dmirror): number {
  for (const { pagemap } of device.chunks) {
    for (let pfn = pagemap.base; pfn < pagemap.base + pagemap.pages; pfn += 512) {
      if (table.order[pfn] === PMD_ORDER && table.refcount[pfn]! > 0) return pfn;
    }
  }
  return -1;
}

/** memunmap_pages does not end while one page is held. */
export function drainWithOnePageHeld(
  { machine, parts, count }: Injected,
  handles: readonly Dmirror[],
): void {
  const { table, folios } = machine;
  for (const { device } of handles) {
    for (const { pagemap } of device.chunks) {
      const range = Array.from({ length: pagemap.pages }, (_, at) => pagemap.base + at);
      const held = range.find((pfn) => table.refcount[pfn]! > 0);
      if (held === undefined) continue;
      folios.get(held);
      device.evict();
      assert(parts.memremap.memunmapPages(pagemap) === -EBUSY, 'one page is held');
      folios.put(held);
      count('drain');
    }
  }
}
