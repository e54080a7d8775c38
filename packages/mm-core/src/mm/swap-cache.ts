import { assert } from '../base/assert.js';
import { createToken } from '../base/di.js';

/** Which folio stands for which swap slot (mm/swap_state.c). */
export class SwapCache {
  private readonly folios = new Map<number, number>();
  private readonly slots = new Map<number, number>();

  /** Folio of a slot, or -1 (swap_cache_get_folio). */
  folioOf(slot: number): number {
    return this.folios.get(slot) ?? -1;
  }

  /** Slot of a folio that is in the cache. */
  slotOf(folio: number): number {
    const slot = this.slots.get(folio);
    assert(slot !== undefined, 'the folio is in the swap cache');
    return slot;
  }

  add(slot: number, folio: number): void {
    assert(!this.folios.has(slot), 'the slot has no folio in the cache');
    this.folios.set(slot, folio);
    this.slots.set(folio, slot);
  }

  /** @returns its slot */
  remove(folio: number): number {
    const slot = this.slotOf(folio);
    this.slots.delete(folio);
    this.folios.delete(slot);
    return slot;
  }
}
export const SwapCacheToken = createToken<SwapCache>('SwapCache');
