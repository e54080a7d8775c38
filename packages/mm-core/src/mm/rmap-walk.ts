import { VM_LOCKED } from '../abi/mman.js';
import { PG_anon, PG_anon_exclusive, PG_pinned } from '../abi/page-flags.js';
import {
  isMigrationType,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_MARKER_UFFD_WP,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_SOFT_DIRTY,
  PTE_SWP_EXCLUSIVE,
  PTE_TRACKING,
  PTE_TYPE_HWPOISON,
  PTE_TYPE_MARKER,
  PTE_TYPE_MIGRATION_READ,
  PTE_TYPE_MIGRATION_READ_EXCLUSIVE,
  PTE_TYPE_MIGRATION_WRITE,
  PTE_TYPE_SWAP,
  PTE_UFFD_WP,
  PTE_WRITE,
  pteHoldsPage,
  pteType,
} from '../abi/pte.js';
import { PMD_ORDER, PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { isAccessible, pageProtWrites } from '../mem/page-prot.js';
import { LEAF_SHIFT, type Ptes, PtesToken } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import { hasRecency } from '../mem/vma.js';
import { CostModel } from './cost-model.js';
import { type DeferredSplit, DeferredSplitToken } from './deferred-split.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { type Mms, MmsToken } from './mms.js';
import { MMU_NOTIFY_CLEAR, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';
import { type Pmds, PmdsToken } from './pmd.js';
import { type Swap, SwapToken } from './swap.js';
import { type Work, WorkToken } from './work.js';

/**
 * Everything that is done to all mappings of a folio (mm/rmap.c). The caller holds a reference of
 * its own.
 */
@injectable()
export class RmapWalk {
  private readonly migrateSite = Sites.index('rmap.try_to_migrate');
  private readonly restoreSite = Sites.index('migrate.remove_migration_pte');
  private readonly restorePmdSite = Sites.index('huge_memory.remove_migration_pmd');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(PmdsToken) private readonly pmds: Pmds,
    @inject(DeferredSplitToken) private readonly deferred: DeferredSplit,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * Entries used since they were last asked; clears their accessed bits (folio_referenced). Areas
   * that are read at random or in sequence are not asked (vma_has_recency).
   * @param target a reclaim for this group does not ask who is outside of it; null: it asks all
   */
  folioReferenced(folio: number, target: MemCgroup | null = null): number {
    let referenced = 0;
    for (const slot of this.presentSlots(folio)) {
      const mm = this.mms.get(this.ptes.mmOf(slot));
      if (target !== null && !target.holds(this.memcgs.ofMm(mm))) continue;
      const vma = mm.find(this.ptes.vpnOf(slot));
      if (vma !== null && !hasRecency(vma)) continue;
      if (this.mapping.testAndClearYoung(slot)) referenced++;
    }
    return referenced;
  }

  /**
   * Do several address spaces map the folio? A small one mapped twice by one counts too
   * (folio_maybe_mapped_shared).
   */
  maybeMappedShared(folio: number): boolean {
    const slots = this.presentSlots(folio);
    if (this.table.order[folio] === 0) return slots.length > 1;
    return new Set(slots.map((slot) => this.ptes.mmOf(slot))).size > 1;
  }

  /** Does some mapping lie in a locked area (VM_LOCKED in folio_referenced_one)? */
  isMappedLocked(folio: number): boolean {
    return this.presentSlots(folio).some((slot) => {
      const vma = this.mms.get(this.ptes.mmOf(slot)).find(this.ptes.vpnOf(slot));
      return vma !== null && (vma.flags & VM_LOCKED) !== 0;
    });
  }

  /**
   * Replaces every mapping by a swap entry of the folio's slot (try_to_unmap); the exclusive bit
   * moves from the page to the entry. An anonymous page that is pinned keeps its mapping. The
   * flush is in the cost of the store that follows, which is that of the whole path.
   * @returns is the folio unmapped now?
   */
  tryToUnmap(folio: number): boolean {
    if (!this.table.has(folio, PG_anon)) return this.unmapFile(folio);
    if (this.table.has(folio, PG_pinned)) return false;
    this.unmapToSwap(folio, this.swap.slotOf(folio));
    this.table.clear(folio, PG_anon_exclusive);
    return true;
  }

  /** Replaces the mappings of one page by entries of a swap slot. */
  unmapToSwap(pfn: number, entry: number): void {
    const exclusive = this.table.has(pfn, PG_anon_exclusive) ? PTE_SWP_EXCLUSIVE : 0;
    for (const slot of this.rmap.slots(pfn)) {
      if (!pteHoldsPage(this.ptes.bits[slot]!)) continue;
      this.notifiers.invalidateSlot(slot, MMU_NOTIFY_CLEAR);
      const kept = this.ptes.bits[slot]! & PTE_TRACKING;
      this.mapping.unmap(slot);
      this.swap.duplicate(entry);
      this.mapping.setEntry(slot, PTE_TYPE_SWAP, entry, kept | exclusive);
      this.mms.get(this.ptes.mmOf(slot)).swapents += 1;
      this.folios.put(this.table.head(pfn));
    }
  }

  /**
   * A page of a file is just unmapped: the file finds it again. A marker keeps the protection of a
   * userfaultfd (pte_install_uffd_wp_if_needed).
   */
  private unmapFile(folio: number): boolean {
    this.splitPmds(folio);
    const slots = this.presentSlots(folio);
    for (const slot of slots) {
      const isProtected = (this.ptes.bits[slot]! & PTE_UFFD_WP) !== 0;
      this.notifiers.invalidateSlot(slot, MMU_NOTIFY_CLEAR);
      this.mapping.unmap(slot);
      if (isProtected) this.mapping.setEntry(slot, PTE_TYPE_MARKER, PTE_MARKER_UFFD_WP);
      this.folios.put(folio);
    }
    this.chargeFlush(slots);
    return true;
  }

  /** Replaces every mapping by a hwpoison entry (unmap_poisoned_folio). */
  unmapPoisoned(pfn: number): void {
    this.poisonSlots(pfn, this.rmap.slots(pfn));
  }

  /** Replaces those of the entries that map a page by hwpoison entries. */
  poisonSlots(pfn: number, entries: readonly number[]): void {
    const slots = entries.filter((slot) => pteHoldsPage(this.ptes.bits[slot]!));
    for (const slot of slots) {
      this.notifiers.invalidateSlot(slot, MMU_NOTIFY_CLEAR);
      this.mapping.unmap(slot);
      this.mapping.setEntry(slot, PTE_TYPE_HWPOISON, pfn);
      this.folios.put(this.table.head(pfn));
    }
    this.chargeFlush(slots);
  }

  /**
   * Replaces every mapping by a migration entry (try_to_migrate). A pinned page and one whose owner
   * does not allow it keep their mappings.
   * @returns is the folio unmapped now?
   */
  tryToMigrate(folio: number): boolean {
    if (!this.managed.folio_managed_allows_migrate(this.migrateSite, folio)) {
      return this.table.folioMapcount(folio) === 0;
    }
    if (this.table.has(folio, PG_pinned)) return false;
    const end = folio + this.table.nrPages(folio);
    const replace = (slot: number): void => {
      if (!pteHoldsPage(this.ptes.bits[slot]!)) return;
      this.notifiers.invalidateSlot(slot, MMU_NOTIFY_CLEAR);
      this.slotToMigration(slot);
      this.folios.put(folio);
    };
    this.eachMapping(folio, replace, 'each');
    for (let pfn = folio; pfn < end; pfn++) this.table.clear(pfn, PG_anon_exclusive);
    return true;
  }

  /**
   * Replaces one mapping by a migration entry, untold; the caller gets its reference and sees to
   * the page's PG_anon_exclusive.
   */
  slotToMigration(slot: number): void {
    const bits = this.ptes.bits[slot]!;
    const type = this.migrationType(this.ptes.value[slot]!, bits);
    this.mapping.toMigration(slot, type, bits & KEPT);
  }

  /**
   * Puts mappings of `to` where migration entries of `from` stand (remove_migration_ptes). `to ===
   * from` undoes a failed migration. A protected destination gets no writable mapping (RFC v4 patch
   * 15). A small folio is locked where the area is (__folio_add_anon_rmap): what mlock passed by
   * where it was, it holds where it goes.
   */
  removeMigrationPtes(from: number, to: number): void {
    for (const leaf of this.hugeLeaves(from)) this.dirtyHugeEntry(leaf);
    this.eachMapping(from, (slot, pfn) => {
      const bits = this.ptes.bits[slot]!;
      if (isMigrationType(pteType(bits))) this.restore(slot, pfn, to + (pfn - from), to, bits);
    });
  }

  /**
   * A dirty huge entry comes back soft-dirty, as pmd_mkdirty sets both and remove_migration_pmd
   * does not undo that; one of a base page stays what it was (remove_migration_pte).
   */
  private dirtyHugeEntry(leaf: number): void {
    const begin = leaf << LEAF_SHIFT;
    const slots = Array.from({ length: PTRS_PER_PTE }, (_, at) => begin | at);
    const { bits } = this.ptes;
    if (slots.every((slot) => (bits[slot]! & PTE_DIRTY) === 0)) return;
    this.mapping.whole(leaf, () => {
      for (const slot of slots) this.mapping.change(slot, PTE_SOFT_DIRTY, 0);
    });
  }

  /** Leaves that map a folio by a huge entry of their PMD, migration entries included. */
  hugeLeaves(folio: number): number[] {
    if (this.table.order[folio]! < PMD_ORDER) return [];
    const slots = this.rmap.slots(folio).filter((slot) => this.ptes.isHuge(slot));
    return slots.map((slot) => slot >> LEAF_SHIFT);
  }

  /** Splits every huge entry of a PMD that maps the folio (TTU_SPLIT_HUGE_PMD). */
  splitPmds(folio: number): void {
    for (const leaf of this.hugeLeaves(folio)) this.pmds.split(leaf);
  }

  /** Does an entry of a PMD map the whole folio (folio_entire_mapcount)? */
  isPmdMapped(folio: number): boolean {
    return this.hugeLeaves(folio).length > 0;
  }

  /**
   * Changes every entry of a folio in the same way; huge entries stay huge. Entries of base pages
   * go all together or, as a migration has it, each on its own: the folio is partly mapped then.
   */
  eachMapping(
    folio: number,
    change: (slot: number, pfn: number) => void,
    entries: 'together' | 'each' = 'together',
  ): void {
    this.deferred.begin();
    for (const leaf of this.hugeLeaves(folio)) {
      this.mapping.whole(leaf, () => {
        for (let at = 0; at < PTRS_PER_PTE; at++) change((leaf << LEAF_SHIFT) | at, folio + at);
      });
    }
    if (entries === 'each') this.deferred.end();
    const end = folio + this.table.nrPages(folio);
    for (let pfn = folio; pfn < end; pfn++) {
      for (const slot of this.rmap.slots(pfn)) if (!this.ptes.isHuge(slot)) change(slot, pfn);
    }
    if (entries === 'together') this.deferred.end();
  }

  /**
   * One TLB flush for a batch of unmapped slots: an IPI for each other CPU of the address spaces.
   */
  chargeFlush(slots: readonly number[]): void {
    if (slots.length === 0) return;
    this.work.charge(this.cost.tlbFlushNs(this.mostCpus(slots)));
  }

  /** CPUs that one flush for all mappings of these folios has to reach. */
  flushCpus(folios: readonly number[]): number {
    let cpus = 1;
    for (const folio of folios) {
      const end = folio + this.table.nrPages(folio);
      for (let pfn = folio; pfn < end; pfn++) {
        cpus = Math.max(cpus, this.mostCpus(this.rmap.slots(pfn)));
      }
    }
    return cpus;
  }

  private mostCpus(slots: readonly number[]): number {
    let cpus = 1;
    for (const slot of slots) cpus = Math.max(cpus, this.mms.get(this.ptes.mmOf(slot)).activeCpus);
    return cpus;
  }

  private restore(slot: number, from: number, to: number, folio: number, bits: number): void {
    const type = pteType(bits);
    const writable = type === PTE_TYPE_MIGRATION_WRITE;
    const exclusive = writable || type === PTE_TYPE_MIGRATION_READ_EXCLUSIVE;
    const site = this.ptes.isHuge(slot) ? this.restorePmdSite : this.restoreSite;
    const fenced = this.managed.folio_managed_wrprotect(site, folio);
    const vma = this.mms.get(this.ptes.mmOf(slot)).find(this.ptes.vpnOf(slot));
    const open = vma !== null && pageProtWrites(vma) && (bits & PTE_UFFD_WP) === 0;
    const write = (writable || open) && !fenced ? PTE_WRITE : 0;
    const present = vma !== null && isAccessible(vma) ? PTE_PRESENT : PTE_PROTNONE;
    this.folios.get(folio);
    this.mapping.fromMigration(slot, from, to, present | write | (bits & KEPT));
    if (vma !== null && this.table.order[folio] === 0) this.mlockFolio.mapped(folio, vma);
    if (exclusive && this.table.has(folio, PG_anon)) this.table.set(to, PG_anon_exclusive);
  }

  private migrationType(pfn: number, bits: number): number {
    if ((bits & PTE_WRITE) !== 0) return PTE_TYPE_MIGRATION_WRITE;
    return this.table.has(pfn, PG_anon_exclusive)
      ? PTE_TYPE_MIGRATION_READ_EXCLUSIVE
      : PTE_TYPE_MIGRATION_READ;
  }

  private presentSlots(folio: number): number[] {
    const end = folio + this.table.nrPages(folio);
    const slots: number[] = [];
    for (let pfn = folio; pfn < end; pfn++) {
      for (const slot of this.rmap.slots(pfn)) {
        if (pteHoldsPage(this.ptes.bits[slot]!)) slots.push(slot);
      }
    }
    return slots;
  }
}
export const RmapWalkToken = createToken<RmapWalk>('RmapWalk');

/** Bits that a migration entry carries over. */
const KEPT = PTE_ACCESSED | PTE_DIRTY | PTE_TRACKING;
