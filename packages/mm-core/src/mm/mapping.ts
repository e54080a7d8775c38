import { PG_dirty, PG_hugetlb } from '../abi/page-flags.js';
import {
  isMigrationType,
  PTE_ACCESSED,
  PTE_CHECKED,
  PTE_DIRTY,
  PTE_NODE_SHIFT,
  PTE_SOFT_DIRTY,
  PTE_SPECIAL,
  PTE_TYPE_SHIFT,
  PTE_WRITTEN,
  pteHoldsPage,
  pteMapsPage,
  pteType,
} from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { LEAF_SHIFT, PMD_HUGE, PMD_NONE, PMD_TABLE, type Ptes, PtesToken } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import { type DeferredSplit, DeferredSplitToken } from './deferred-split.js';
import { type Mms, MmsToken } from './mms.js';
import { type Pmds, PmdsToken } from './pmd.js';

/**
 * The only writer of page-table entries (set_pte, ptep_clear_flush and the rmap calls that always
 * go with them). It keeps three things in step: the entry, the page's mapcount and reverse map, and
 * the rss of the address space. References are the caller's: mapping a page hands one over,
 * unmapping hands it back.
 *
 * Huge entries of PMDs: who changes one entry of such a leaf splits it, without asking for it. Who
 * changes a range says so (`range`), and what lies in it whole stays huge; who changes one leaf
 * says so too (`whole`).
 */
@injectable()
export class Mapping {
  /** The leaf that is being changed as a whole, or -1. */
  private wholeLeaf = -1;

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(PmdsToken) private readonly pmds: Pmds,
    @inject(DeferredSplitToken) private readonly deferred: DeferredSplit,
  ) {
    mms.onEdge = (mmId, vpn, heldPmd) => pmds.splitAt(mmId, vpn, heldPmd);
    mms.onUnmap = (mm, start, end) => pmds.freePgtables(mm, start, end);
  }

  /**
   * Visits the non-empty entries of [start, end) to change them: a huge PMD that lies in the range
   * whole is changed whole, another one is split first (zap_pmd_range, change_pmd_range).
   */
  range(
    mmId: number,
    start: number,
    end: number,
    visit: (slot: number, vpn: number) => void,
  ): void {
    this.deferred.begin();
    for (const [region, leaf] of this.ptes.regions(mmId)) {
      const first = region * PTRS_PER_PTE;
      const behind = first + PTRS_PER_PTE;
      if (behind <= start) continue;
      if (first >= end) break;
      const from = Math.max(start, first);
      const to = Math.min(end, behind);
      const walk = (): void => this.ptes.walkLeaf(leaf, from, to, visit);
      if (this.ptes.pmd[leaf] !== PMD_HUGE) {
        walk();
      } else if (from === first && to === behind) {
        this.whole(leaf, walk);
      } else {
        this.pmds.split(leaf);
        walk();
      }
    }
    this.deferred.end();
  }

  /** Changes every entry of a huge PMD in the same way; it stays one unless it is emptied. */
  whole(leaf: number, change: () => void): void {
    const outer = this.wholeLeaf;
    this.wholeLeaf = leaf;
    this.deferred.begin();
    change();
    this.deferred.end();
    this.wholeLeaf = outer;
    if (this.ptes.pmd[leaf] !== PMD_HUGE) return;
    if (this.ptes.bits[leaf << LEAF_SHIFT] === 0) this.ptes.pmd[leaf] = PMD_NONE;
  }

  /** The 512 entries of a leaf, all set now, are one entry of the PMD (set_pmd_at). */
  setPmd(leaf: number): void {
    this.ptes.pmd[leaf] = PMD_HUGE;
  }

  /**
   * Maps `pfn` at an empty or non-page entry; takes over one reference of the folio. @param bits
   * PTE_* without node
   */
  map(slot: number, pfn: number, bits: number): void {
    assert(!pteHoldsPage(this.ptes.bits[slot]!), 'the entry maps no page yet');
    this.write(slot, bits | (this.nodes.nidOf(pfn) << PTE_NODE_SHIFT), pfn);
    this.table.mapcount[pfn]! += 1;
    this.rmap.add(pfn, slot);
    this.countRss(slot, pfn, 1);
  }

  /** Empties an entry that maps a page; the caller gets its reference. @returns the pfn */
  unmap(slot: number): number {
    const pfn = this.clearPage(slot);
    this.rmap.remove(pfn, slot);
    this.countRss(slot, pfn, -1);
    this.write(slot, 0, 0);
    return pfn;
  }

  /**
   * Replaces a mapped page by a migration entry. The page stays in the reverse map, so that the
   * entry is found again; the caller gets the mapping's reference.
   */
  toMigration(slot: number, type: number, kept: number): void {
    const pfn = this.clearPage(slot);
    this.write(slot, (type << PTE_TYPE_SHIFT) | kept, pfn);
  }

  /**
   * Replaces a migration entry of `from` by a mapping of `to`; takes over one reference of `to`.
   */
  fromMigration(slot: number, from: number, to: number, bits: number): void {
    assert(this.ptes.value[slot] === from, 'the migration entry names the source');
    this.rmap.remove(from, slot);
    this.write(slot, bits | (this.nodes.nidOf(to) << PTE_NODE_SHIFT), to);
    this.table.mapcount[to]! += 1;
    this.rmap.add(to, slot);
  }

  /** Removes a migration entry (munmap, exit). */
  dropMigration(slot: number): void {
    const pfn = this.ptes.value[slot]!;
    this.rmap.remove(pfn, slot);
    this.countRss(slot, pfn, -1);
    this.write(slot, 0, 0);
  }

  /** A child's copy of a migration entry (copy_nonpresent_pte). */
  copyMigration(slot: number, bits: number, pfn: number): void {
    this.write(slot, bits, pfn);
    this.rmap.add(pfn, slot);
    this.countRss(slot, pfn, 1);
  }

  /**
   * Changes flags of an entry in place: protection, accessed, dirty. The page and the node stay,
   * unless it is part of a huge entry that maps a file: that is emptied.
   */
  change(slot: number, set: number, clear: number): void {
    const leaf = slot >> LEAF_SHIFT;
    if (this.ptes.pmd[leaf] === PMD_HUGE && leaf !== this.wholeLeaf) {
      this.pmds.split(leaf);
      if (this.ptes.bits[slot] === 0) return;
    }
    const old = this.ptes.bits[slot]!;
    this.write(slot, (old & ~clear) | set, this.ptes.value[slot]!);
  }

  /**
   * Was the entry used since it was last asked (ptep_test_and_clear_young)? Nothing else changes.
   */
  testAndClearYoung(slot: number): boolean {
    const bits = this.ptes.bits[slot]!;
    this.ptes.bits[slot] = bits & ~PTE_ACCESSED;
    return (bits & PTE_ACCESSED) !== 0;
  }

  /** A load or a store went through an entry (huge_pmd_set_accessed); a huge one stays whole. */
  setUsed(slot: number, used: number): void {
    this.ptes.bits[slot] = this.ptes.bits[slot]! | used;
  }

  /** Writes a non-present entry, or empties one that maps no page. */
  setEntry(slot: number, type: number, payload: number, flags = 0): void {
    assert(!pteHoldsPage(this.ptes.bits[slot]!), 'the entry maps no page');
    this.write(slot, type === 0 ? flags : (type << PTE_TYPE_SHIFT) | flags, payload);
  }

  /**
   * Moves an entry to another slot of the same address space, where it counts as stored to
   * (move_ptes, move_soft_dirty_pte). @param clear bits that do not come along
   */
  move(from: number, to: number, clear = 0): void {
    const bits = this.ptes.bits[from]!;
    const value = this.ptes.value[from]!;
    this.write(from, 0, 0);
    this.write(to, (bits & ~clear) | PTE_SOFT_DIRTY, value);
    if (!this.inRmap(bits)) return;
    this.rmap.remove(value, from);
    this.rmap.add(value, to);
  }

  /** Pages of the hugetlb pool count apart (hugetlb_count_add); update_hiwater_rss. */
  private countRss(slot: number, pfn: number, pages: number): void {
    const mm = this.mms.get(this.ptes.mmOf(slot));
    if (this.table.has(this.table.head(pfn), PG_hugetlb)) {
      mm.hugetlbPages += pages;
      return;
    }
    if (mm.rss > mm.peakRss) mm.peakRss = mm.rss;
    mm.rss += pages;
  }

  private inRmap(bits: number): boolean {
    if (pteHoldsPage(bits)) return (bits & PTE_SPECIAL) === 0;
    return isMigrationType(pteType(bits));
  }

  /** The page behind an entry loses one mapping; what the entry's stores left is named. */
  private clearPage(slot: number): number {
    const bits = this.ptes.bits[slot]!;
    assert(pteHoldsPage(bits) && (bits & PTE_SPECIAL) === 0, 'the entry maps a page');
    const pfn = this.ptes.value[slot]!;
    assert(this.table.mapcount[pfn]! > 0, 'a mapped page has a mapcount');
    if ((bits & PTE_WRITTEN) !== 0) this.contents.settle(pfn, this.ptes.vpnOf(slot), slot);
    if ((bits & PTE_DIRTY) !== 0) this.table.set(this.table.head(pfn), PG_dirty);
    this.ptes.bits[slot] = 0;
    this.table.mapcount[pfn]! -= 1;
    if (this.table.mapcount[pfn] === 0 && this.table.order[pfn]! > 0) {
      this.deferred.unmapped(this.table.head(pfn));
    }
    return pfn;
  }

  private write(slot: number, bits: number, value: number): void {
    const leaf = slot >> LEAF_SHIFT;
    if (this.ptes.pmd[leaf] === PMD_HUGE && leaf !== this.wholeLeaf) this.pmds.split(leaf);
    if (this.ptes.pmd[leaf] === PMD_NONE && bits !== 0) this.ptes.pmd[leaf] = PMD_TABLE;
    const old = this.ptes.bits[slot]!;
    if ((old & PTE_WRITTEN) !== 0 && pteMapsPage(old)) {
      this.contents.settle(this.ptes.value[slot]!, this.ptes.vpnOf(slot), slot);
    }
    this.ptes.bits[slot] = bits & ~(PTE_CHECKED | PTE_WRITTEN);
    this.ptes.value[slot] = value;
  }
}
export const MappingToken = createToken<Mapping>('Mapping');
