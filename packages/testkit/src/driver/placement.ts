import {
  type Machine,
  PROT_READ,
  PROT_WRITE,
  PTE_TYPE_PLUGIN_FIRST,
  PTE_TYPE_PLUGIN_LAST,
  pteMapsPage,
  pteType,
  type Task,
  VM_HUGEPAGE,
} from '@mm-lab/mm-core';

/** A program grows to this share of the machine's memory at most. */
const SHARE_MAX = 0.9;
const BATCH_PAGES = 64;
/** Pages on the driver's memory that are enough. */
const PLACED_ENOUGH = 32;

/** Mapped pages on memory that has an owner or a device. */
export function placedPages(machine: Machine): number {
  let placed = 0;
  for (const mm of machine.mms.all()) {
    machine.ptes.walk(mm.id, 0, Infinity, (slot) => {
      if (isPlaced(machine, slot)) placed++;
    });
  }
  return placed;
}

/**
 * Grows a program until some of its pages lie on the driver's memory, by demotion as it fills DRAM.
 * @returns its pages, 0 and up, all written
 */
export function writeUntilPlaced(machine: Machine, task: Task): number {
  const all = [...machine.nodes.all()].reduce((sum, pgdat) => sum + pgdat.managedPages(), 0);
  const most = Math.floor(all * SHARE_MAX);
  task.mmap(0, most, PROT_READ | PROT_WRITE, VM_HUGEPAGE);
  let pages = 0;
  while (pages < most && placedPages(machine) < PLACED_ENOUGH) {
    const end = Math.min(most, pages + BATCH_PAGES);
    for (; pages < end; pages++) {
      const result = task.write(pages);
      if (result !== 'ok') throw new Error(`a store to page ${pages} of ${most}: ${result}`);
    }
  }
  return pages;
}

/** Unmaps every other page of a program, so that the rest fits into less memory. */
export function thinOut(task: Task, pages: number): number[] {
  const left: number[] = [];
  for (let vpn = 0; vpn < pages; vpn++) {
    if (vpn % 2 === 0) left.push(vpn);
    else task.munmap(vpn, 1);
  }
  return left;
}

/** Reads every page of a program once. */
export function readAll(task: Task, vpns: Iterable<number>): void {
  for (const vpn of vpns) {
    const result = task.read(vpn);
    if (result !== 'ok') throw new Error(`a load of page ${vpn}: ${result}`);
  }
}

/** A page on an owned frame, on a device's, or behind an entry that a plugin defined. */
function isPlaced(machine: Machine, slot: number): boolean {
  const bits = machine.ptes.bits[slot]!;
  if (!pteMapsPage(bits)) return isPluginEntry(bits);
  const pfn = machine.ptes.value[slot]!;
  if (machine.managed.ownerOf(pfn) !== null) return true;
  return machine.nodes.pgdat(machine.nodes.nidOf(pfn)).device !== null;
}

function isPluginEntry(bits: number): boolean {
  const type = pteType(bits);
  return type >= PTE_TYPE_PLUGIN_FIRST && type <= PTE_TYPE_PLUGIN_LAST;
}
