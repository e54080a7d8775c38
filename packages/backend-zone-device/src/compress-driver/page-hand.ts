import { LEAF_SHIFT, type MmStruct, type Mms, PTRS_PER_PTE, type Ptes } from '@mm-lab/mm-core';

/** Looks at one entry that is not empty. @returns false to stop behind it */
export type VisitEntry = (slot: number, mm: MmStruct, vpn: number) => boolean;

/** Leaves looked into per walk, empty ones included. */
const LEAVES_MAX = 256;

/**
 * A clock hand over the page tables of every address space, one after the other (as khugepaged and
 * ksmd go through theirs). Simplified: address spaces are registered by being there.
 */
export class PageHand {
  /** Complete rounds so far. */
  laps = 0;
  private mmId = 0;
  private regions: readonly (readonly [region: number, leaf: number])[] = [];
  private regionAt = 0;
  private offset = 0;

  constructor(
    private readonly ptes: Ptes,
    private readonly mms: Mms,
  ) {}

  /** Moves on by up to `entriesMax` entries. @returns entries visited */
  walk(entriesMax: number, visit: VisitEntry): number {
    let visited = 0;
    for (let leaves = 0; leaves < LEAVES_MAX && visited < entriesMax; leaves++) {
      const mm = this.current();
      const at = this.regions[this.regionAt];
      if (mm === null || at === undefined) break;
      const [region, leaf] = at;
      while (this.offset < PTRS_PER_PTE && visited < entriesMax) {
        const offset = this.offset++;
        const slot = (leaf << LEAF_SHIFT) | offset;
        if (this.ptes.bits[slot] === 0) continue;
        visited++;
        if (!visit(slot, mm, region * PTRS_PER_PTE + offset)) return visited;
      }
    }
    return visited;
  }

  /** The address space under the hand, after moving on if its leaf is done or gone. */
  private current(): MmStruct | null {
    if (this.offset >= PTRS_PER_PTE) {
      this.offset = 0;
      this.regionAt++;
    }
    const at = this.regions[this.regionAt];
    if (at !== undefined) {
      const slot = this.ptes.find(this.mmId, at[0] * PTRS_PER_PTE);
      if (slot >= 0 && slot >> LEAF_SHIFT === at[1]) return this.mms.get(this.mmId);
    }
    return this.next();
  }

  /** The next address space with page tables; behind the last one a lap ends. */
  private next(): MmStruct | null {
    const all = [...this.mms.all()];
    const later = all.filter((mm) => mm.id > this.mmId);
    if (later.length === 0) this.laps++;
    for (const mm of [...later, ...all.filter((other) => other.id <= this.mmId)]) {
      this.regions = this.ptes.regions(mm.id);
      this.regionAt = 0;
      this.offset = 0;
      this.mmId = mm.id;
      if (this.regions.length > 0) return mm;
    }
    return null;
  }
}
