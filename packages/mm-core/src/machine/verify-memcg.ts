import { assert } from '../base/assert.js';
import type { MemCgroup } from '../mem/memcg.js';
import type { Machine } from './machine.js';

/**
 * Recounts what control groups are charged for: pages of memory with what is charged in advance
 * and for the kernel, and slots of swap; each group is charged for those below it too.
 * @param charged pages of folios in use, by the group id that they name
 */
export function verifyMemcg(machine: Machine, charged: ReadonlyMap<number, number>): void {
  const { memcgs } = machine;
  for (const id of charged.keys()) assert(memcgs.exists(id), `group ${id} of a folio is known`);
  const slots = new Map<MemCgroup, number>();
  for (const { slot } of machine.swap.inUse()) {
    const memcg = machine.swap.memcgOf(slot);
    if (memcg !== null) slots.set(memcg, (slots.get(memcg) ?? 0) + 1);
  }
  for (const memcg of memcgs.all()) {
    let pages = 0;
    let swapped = 0;
    for (const below of memcgs.below(memcg)) {
      if (below.parent === null) continue;
      pages += (charged.get(below.id) ?? 0) + below.kernelPages + below.stock;
      swapped += slots.get(below) ?? 0;
    }
    const { memory, swap } = memcg;
    assert(memory.usage === pages, `group ${memcg.id}: ${memory.usage} pages, ${pages} recounted`);
    assert(swap.usage === swapped, `group ${memcg.id}: ${swap.usage} slots, ${swapped} recounted`);
  }
}
