import { PTE_ACCESSED, PTE_DIRTY } from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken } from '../base/di.js';

/** Pages per leaf as a shift: an entry's slot is `(leaf << 9) | (vpn & 511)`. */
export const LEAF_SHIFT = 9;
/** Levels of page tables below the top one. */
const TABLE_LEVELS = 3;

/**
 * What the PMD above a leaf is. NONE: nothing, a fault may put a huge page there. TABLE: a page
 * table, also one whose entries are all empty. HUGE: one entry for the whole leaf, whose 512
 * entries stand for it: they hold consecutive pages of one folio of PMD order (or the huge zero
 * page, or migration entries of such a folio), all with equal protection.
 *
 * NONE --first entry--> TABLE --all entries as above (set_pmd_at)--> HUGE --split--> TABLE; HUGE or
 * TABLE --zapped or page table freed--> NONE.
 */
export const PMD_NONE = 0;
export const PMD_TABLE = 1;
export const PMD_HUGE = 2;

/**
 * The page tables of every address space in one pool of leaves of 512 entries. An entry is a slot
 * in three columns: `bits` and `value` (see abi/pte.ts), and `shadow`, the contents that the
 * virtual page must hold, which only the access engine and the system calls write. Slots never
 * move; the columns may be replaced when the pool grows, so take them from here after every slow
 * path. Leaves are not freed before their address space goes.
 */
export class Ptes {
  bits: Int32Array;
  value: Int32Array;
  /** Expected contents: the `version` that a read through the slot must find. */
  shadow: Int32Array;
  /** PMD_* of each leaf; only `Mapping` and `Pmds` write it. */
  pmd: Uint8Array;
  private leafMm: Int32Array;
  private leafRegion: Float64Array;
  private leaves = 0;
  private readonly spare: number[] = [];
  private readonly byMm = new Map<number, Map<number, number>>();
  /** Tables of each address space: number of the table times the levels plus its level. */
  private readonly tablesByMm = new Map<number, Set<number>>();

  constructor(leavesMax = 64) {
    this.bits = new Int32Array(leavesMax * PTRS_PER_PTE);
    this.value = new Int32Array(leavesMax * PTRS_PER_PTE);
    this.shadow = new Int32Array(leavesMax * PTRS_PER_PTE);
    this.pmd = new Uint8Array(leavesMax);
    this.leafMm = new Int32Array(leavesMax);
    this.leafRegion = new Float64Array(leavesMax);
  }

  /** Slot of a virtual page, or -1 if its leaf does not exist yet. */
  find(mmId: number, vpn: number): number {
    const leaf = this.byMm.get(mmId)?.get(Math.floor(vpn / PTRS_PER_PTE));
    return leaf === undefined ? -1 : (leaf << LEAF_SHIFT) | (vpn % PTRS_PER_PTE);
  }

  /** Slot of a virtual page; makes its leaf. */
  slot(mmId: number, vpn: number): number {
    const region = Math.floor(vpn / PTRS_PER_PTE);
    const leaf = this.byMm.get(mmId)?.get(region) ?? this.addLeaf(mmId, region);
    return (leaf << LEAF_SHIFT) | (vpn % PTRS_PER_PTE);
  }

  /**
   * A fault comes to an entry: notes the tables that Linux has to make for it, its leaf (2 MiB),
   * that of its gigabyte and that of its 512 gigabytes. Simplified: munmap leaves them.
   * @returns how many there were not yet
   */
  populate(mmId: number, vpn: number): number {
    const tables = this.tablesByMm.get(mmId) ?? new Set();
    this.tablesByMm.set(mmId, tables);
    let made = 0;
    for (let pages = PTRS_PER_PTE; pages <= PTRS_PER_PTE ** 3; pages *= PTRS_PER_PTE) {
      const table = Math.floor(vpn / pages) * TABLE_LEVELS + made;
      if (tables.has(table)) break;
      tables.add(table);
      made++;
    }
    return made;
  }

  /** Is there a table for the gigabyte that the page lies in, as `populate` noted? */
  hasGigabyteTable(mmId: number, vpn: number): boolean {
    const table = Math.floor(vpn / PTRS_PER_PTE ** 2) * TABLE_LEVELS + 1;
    return this.tablesByMm.get(mmId)?.has(table) === true;
  }

  /**
   * Makes the leaves of `regions` (vpn >> 9) one after the other, so that the i-th region's leaf is
   * the first plus i. None of them may exist.
   * @returns the first leaf
   */
  reserve(mmId: number, regions: ArrayLike<number>): number {
    const first = this.leaves;
    for (let at = 0; at < regions.length; at++) this.appendLeaf(mmId, regions[at]!);
    return first;
  }

  mmOf(slot: number): number {
    return this.leafMm[slot >> LEAF_SHIFT]!;
  }

  vpnOf(slot: number): number {
    return this.leafRegion[slot >> LEAF_SHIFT]! * PTRS_PER_PTE + (slot & (PTRS_PER_PTE - 1));
  }

  /** Regions of an address space with a leaf, ascending, each with its leaf. */
  regions(mmId: number): [region: number, leaf: number][] {
    return [...(this.byMm.get(mmId) ?? [])].sort((a, b) => a[0] - b[0]);
  }

  /**
   * Calls `visit` with the slot and vpn of every non-empty entry in [start, end); the visit may
   * change the entry.
   */
  walk(mmId: number, start: number, end: number, visit: (slot: number, vpn: number) => void): void {
    for (const [region, leaf] of this.regions(mmId)) {
      const first = region * PTRS_PER_PTE;
      if (first + PTRS_PER_PTE <= start) continue;
      if (first >= end) break;
      const from = Math.max(start, first);
      this.walkLeaf(leaf, from, Math.min(end, first + PTRS_PER_PTE), visit);
    }
  }

  /** The part of `walk` inside one leaf. */
  walkLeaf(
    leaf: number,
    from: number,
    to: number,
    visit: (slot: number, vpn: number) => void,
  ): void {
    const first = this.leafRegion[leaf]! * PTRS_PER_PTE;
    for (let vpn = from; vpn < to; vpn++) {
      const slot = (leaf << LEAF_SHIFT) | (vpn - first);
      if (this.bits[slot] !== 0) visit(slot, vpn);
    }
  }

  /** Leaves of [start, end) that are one entry of a PMD, each with its first page. */
  hugeLeaves(
    mmId: number,
    start: number,
    end: number,
  ): { readonly leaf: number; readonly first: number }[] {
    const found: { leaf: number; first: number }[] = [];
    for (const [region, leaf] of this.regions(mmId)) {
      const first = region * PTRS_PER_PTE;
      if (first >= end) break;
      if (first + PTRS_PER_PTE <= start || this.pmd[leaf] !== PMD_HUGE) continue;
      found.push({ leaf, first });
    }
    return found;
  }

  /** Does a slot belong to a leaf that is one entry of a PMD? */
  isHuge(slot: number): boolean {
    return this.pmd[slot >> LEAF_SHIFT] === PMD_HUGE;
  }

  /**
   * The bits of a slot with those of use that a huge entry as a whole has: who used which page of
   * it is kept by page here, and Linux has one bit for all.
   */
  usedBits(slot: number): number {
    let bits = this.bits[slot]!;
    if (!this.isHuge(slot)) return bits;
    const from = (slot >> LEAF_SHIFT) << LEAF_SHIFT;
    for (let at = from; at < from + PTRS_PER_PTE && (bits & USED) !== USED; at++) {
      bits |= this.bits[at]! & USED;
    }
    return bits;
  }

  /** Gives back the leaves of an address space whose entries are all empty (free_pgtables). */
  release(mmId: number): void {
    for (const [, leaf] of this.regions(mmId)) {
      const from = leaf << LEAF_SHIFT;
      this.shadow.fill(0, from, from + PTRS_PER_PTE);
      this.leafMm[leaf] = 0;
      this.pmd[leaf] = PMD_NONE;
      this.spare.push(leaf);
    }
    this.byMm.delete(mmId);
    this.tablesByMm.delete(mmId);
  }

  private addLeaf(mmId: number, region: number): number {
    const leaf = this.spare.pop();
    if (leaf === undefined) return this.appendLeaf(mmId, region);
    return this.nameLeaf(leaf, mmId, region);
  }

  private appendLeaf(mmId: number, region: number): number {
    if (this.leaves === this.leafMm.length) this.grow();
    return this.nameLeaf(this.leaves++, mmId, region);
  }

  private nameLeaf(leaf: number, mmId: number, region: number): number {
    this.leafMm[leaf] = mmId;
    this.leafRegion[leaf] = region;
    const known = this.byMm.get(mmId);
    if (known === undefined) this.byMm.set(mmId, new Map([[region, leaf]]));
    else known.set(region, leaf);
    return leaf;
  }

  private grow(): void {
    const leaves = this.leafMm.length * 2;
    this.bits = grown(this.bits, leaves * PTRS_PER_PTE);
    this.value = grown(this.value, leaves * PTRS_PER_PTE);
    this.shadow = grown(this.shadow, leaves * PTRS_PER_PTE);
    this.leafMm = grown(this.leafMm, leaves);
    const pmd = new Uint8Array(leaves);
    pmd.set(this.pmd);
    this.pmd = pmd;
    const regions = new Float64Array(leaves);
    regions.set(this.leafRegion);
    this.leafRegion = regions;
  }
}
export const PtesToken = createToken<Ptes>('Ptes');

const USED = PTE_ACCESSED | PTE_DIRTY;

function grown(column: Int32Array, length: number): Int32Array {
  const bigger = new Int32Array(length);
  bigger.set(column);
  return bigger;
}
