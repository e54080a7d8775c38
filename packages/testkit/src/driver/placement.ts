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

/** Pages on memory that has an owner and are in use. */
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
 * Its pages are 0 to the answer, all written.
 * @returns pages of the program
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

/** Reads every page of a program once. */
export function readAll(task: Task, pages: number): void {
  for (let vpn = 0; vpn < pages; vpn++) {
    const result = task.read(vpn);
    if (result !== 'ok') throw new Error(`a load of page ${vpn}: ${result}`);
  }
}

/** A page behind an owner's frame, or behind an entry that a plugin defined. */
function isPlaced(machine: Machine, slot: number): boolean {
  const bits = machine.ptes.bits[slot]!;
  if (!pteMapsPage(bits)) return isPluginEntry(bits);
  return machine.managed.ownerOf(machine.ptes.value[slot]!) !== null;
}

function isPluginEntry(bits: number): boolean {
  const type = pteType(bits);
  return type >= PTE_TYPE_PLUGIN_FIRST && type <= PTE_TYPE_PLUGIN_LAST;
}
