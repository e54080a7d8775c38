import { PG_anon } from '../abi/page-flags.js';
import { PTE_ACCESSED, PTE_DIRTY, PTE_MKDIRTY, PTE_SPECIAL } from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { LEAF_SHIFT, PMD_HUGE, PMD_NONE, PMD_TABLE, type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { MMU_NOTIFY_CLEAR, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';

/**
 * The PMD entries above the leaves (mm/huge_memory.c). A huge one keeps its leaf filled, so to
 * split it is to say that the leaf is a page table from now on; pages and protections stay.
 */
@injectable()
export class Pmds {
  private readonly splits = Vmstat.index('thp_split_pmd');

  /** Empties the leaf of a huge entry that maps a file (the rest of __split_huge_pmd_locked). */
  onFileSplit: (leaf: number) => void = () => undefined;

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /**
   * Splits one entry of a PMD into 512 of a page table, all as used as it; one that maps a file is
   * emptied, as its pages are found again (__split_huge_pmd).
   */
  split(leaf: number): void {
    if (this.ptes.pmd[leaf] !== PMD_HUGE) return;
    if (this.isFile(leaf)) {
      this.notifiers.invalidateLeaf(leaf, MMU_NOTIFY_CLEAR);
      this.vmstat.add(this.splits, 1);
      this.onFileSplit(leaf);
      return;
    }
    let used = this.ptes.usedBits(leaf << LEAF_SHIFT) & (PTE_ACCESSED | PTE_DIRTY);
    if ((used & PTE_DIRTY) !== 0) used |= PTE_MKDIRTY;
    for (let at = 0; at < PTRS_PER_PTE; at++) this.ptes.bits[(leaf << LEAF_SHIFT) | at]! |= used;
    this.ptes.pmd[leaf] = PMD_TABLE;
    this.notifiers.invalidateLeaf(leaf, MMU_NOTIFY_CLEAR);
    this.vmstat.add(this.splits, 1);
  }

  /** Does a huge entry map pages of a file? */
  isFile(leaf: number): boolean {
    for (let at = 0; at < PTRS_PER_PTE; at++) {
      const slot = (leaf << LEAF_SHIFT) | at;
      const bits = this.ptes.bits[slot]!;
      if (bits === 0) continue;
      const isZero = (bits & PTE_SPECIAL) !== 0;
      return !isZero && !this.table.has(this.table.head(this.ptes.value[slot]!), PG_anon);
    }
    return false;
  }

  /**
   * An area begins or ends at `vpn`: no huge entry may reach across (vma_adjust_trans_huge). Who
   * mirrors the PMD is told whether it is huge or not, if one area held it until now
   * (split_huge_pmd_address).
   */
  splitAt(mmId: number, vpn: number, heldPmd: boolean): void {
    if (vpn % PTRS_PER_PTE === 0) return;
    const slot = this.ptes.find(mmId, vpn);
    if (slot < 0) return;
    const leaf = slot >> LEAF_SHIFT;
    if (heldPmd && this.ptes.pmd[leaf] === PMD_TABLE)
      this.notifiers.invalidateLeaf(leaf, MMU_NOTIFY_CLEAR);
    this.split(leaf);
  }

  /**
   * Page tables of [start, end) that no area needs any more are freed (free_pgtables): the next
   * fault there may be a huge one.
   */
  freePgtables(mm: MmStruct, start: number, end: number): void {
    for (const [region, leaf] of this.ptes.regions(mm.id)) {
      const first = region * PTRS_PER_PTE;
      if (first + PTRS_PER_PTE <= start || first >= end) continue;
      const used = mm.within(first, first + PTRS_PER_PTE).length > 0;
      if (!used && this.isEmpty(leaf)) this.ptes.pmd[leaf] = PMD_NONE;
    }
  }

  /**
   * Page tables that lie whole in a range just zapped and are empty now go as well
   * (mm/pt_reclaim.c:try_to_free_pte).
   */
  reclaimTables(mmId: number, start: number, end: number): void {
    for (const [region, leaf] of this.ptes.regions(mmId)) {
      const first = region * PTRS_PER_PTE;
      if (first < start || first + PTRS_PER_PTE > end) continue;
      if (this.isEmpty(leaf)) this.ptes.pmd[leaf] = PMD_NONE;
    }
  }

  /** Are all entries of a leaf empty? */
  isEmpty(leaf: number): boolean {
    const from = leaf << LEAF_SHIFT;
    for (let slot = from; slot < from + PTRS_PER_PTE; slot++) {
      if (this.ptes.bits[slot] !== 0) return false;
    }
    return true;
  }
}
export const PmdsToken = createToken<Pmds>('Pmds');
