import { PAGE_SIZE, pteMapsNormalPage } from '@mm-lab/mm-core';
import type { Guest, GuestTask, Range } from '../guest.js';

/** Pages that a range touches, first to last. */
export function pagesIn(range: Range): { readonly first: number; readonly count: number } {
  return { first: vpnOf(range.addr), count: Math.max(0, Math.floor(range.length / PAGE_SIZE)) };
}

export function vpnOf(addr: number): number {
  return Math.floor(addr / PAGE_SIZE);
}

/** Frame behind a virtual page; -1 where none is mapped, the zero page among that. */
export function frameAt({ machine }: Guest, { task }: GuestTask, vpn: number): number {
  const slot = machine.ptes.find(task.mm.id, vpn);
  const bits = slot < 0 ? 0 : machine.ptes.bits[slot]!;
  if (!pteMapsNormalPage(bits)) return -1;
  return machine.ptes.value[slot]!;
}

/** The word that a load of the page would find. */
export function wordAt(guest: Guest, task: GuestTask, vpn: number): number {
  const frame = frameAt(guest, task, vpn);
  return frame < 0 ? 0 : guest.words.wordOf(guest.machine.table.key[frame]!);
}
