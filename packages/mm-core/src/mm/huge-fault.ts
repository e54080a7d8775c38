import { VM_UFFD_WP } from '../abi/mman.js';
import { PG_anon_exclusive, PG_dirty, PG_swapcache } from '../abi/page-flags.js';
import {
  PTE_ACCESSED,
  PTE_MKDIRTY,
  PTE_PROTNONE,
  PTE_SOFT_DIRTY,
  PTE_SPECIAL,
  PTE_WRITE,
  pteMapsPage,
} from '../abi/pte.js';
import { LEVEL_PMD } from '../abi/vm-fault.js';
import { PMD_ORDER, PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { LEAF_SHIFT, PMD_HUGE, PMD_NONE, type Ptes, PtesToken } from '../mem/ptes.js';
import {
  handleUserfault,
  userfaultfdMissing,
  userfaultfdPteWp,
  userfaultfdWpAsync,
} from '../mem/userfaultfd.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type AnonFault, AnonFaultToken, zeroEntry } from './anon-fault.js';
import { CostModel } from './cost-model.js';
import type { FaultContext } from './fault-context.js';
import { type HugeZero, HugeZeroToken } from './huge-zero.js';
import { type Mapping, MappingToken } from './mapping.js';
import { MMU_NOTIFY_CLEAR, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';
import { type Pmds, PmdsToken } from './pmd.js';
import { type Swap, SwapToken } from './swap.js';
import { isSuitable, type ThpSettings, ThpSettingsToken } from './thp-settings.js';
import { type Work, WorkToken } from './work.js';

/** The fault goes on in the page table (VM_FAULT_FALLBACK). */
export const FALLBACK = -1;

/**
 * Faults on an entry of a PMD (mm/memory.c:__handle_mm_fault, mm/huge_memory.c). What happens to a
 * huge entry happens to its 512 entries alike.
 */
@injectable()
export class HugeFault {
  private readonly site = Sites.index('huge_memory.do_huge_pmd_wp_page');
  private readonly faultAlloc = Vmstat.index('thp_fault_alloc');
  private readonly faultFallback = Vmstat.index('thp_fault_fallback');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(PmdsToken) private readonly pmds: Pmds,
    @inject(AnonFaultToken) private readonly anonFault: AnonFault,
    @inject(HugeZeroToken) private readonly hugeZero: HugeZero,
    @inject(ThpSettingsToken) private readonly thp: ThpSettings,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** @returns VM_FAULT_* bits, or FALLBACK */
  handle(vmf: FaultContext): number {
    const pmd = this.ptes.pmd[vmf.slot >> LEAF_SHIFT]!;
    if (pmd === PMD_NONE) return this.createHugePmd(vmf);
    // What is not present goes by its type, huge or not: see handle_pte_fault's next.
    if (pmd !== PMD_HUGE || !pteMapsPage(vmf.bits)) return FALLBACK;
    const isZero = (vmf.bits & PTE_SPECIAL) !== 0;
    if ((vmf.bits & PTE_PROTNONE) !== 0) return FALLBACK;
    if (vmf.write && (vmf.bits & PTE_WRITE) === 0 && this.pmds.isFile(vmf.slot >> LEAF_SHIFT)) {
      this.pmds.split(vmf.slot >> LEAF_SHIFT);
      return FALLBACK;
    }
    if (vmf.write && (vmf.bits & PTE_WRITE) === 0) {
      if (userfaultfdPteWp(vmf.vma, vmf.bits)) return this.protectedByUser(vmf);
      return this.doHugePmdWpPage(vmf, isZero);
    }
    this.mapping.setUsed(vmf.slot, PTE_ACCESSED | (vmf.write ? PTE_MKDIRTY : 0));
    vmf.unlock();
    return 0;
  }

  /** wp_huge_pmd: the user's business, or split so that one page alone loses the protection. */
  private protectedByUser(vmf: FaultContext): number {
    if (userfaultfdWpAsync(vmf.vma)) {
      this.pmds.split(vmf.slot >> LEAF_SHIFT);
      return FALLBACK;
    }
    vmf.unlock();
    return handleUserfault(vmf, VM_UFFD_WP);
  }

  private createHugePmd(vmf: FaultContext): number {
    const { mm, vma, vpn } = vmf;
    if (this.thp.allowableOrders(mm, vma, 'pagefault', 1 << PMD_ORDER) === 0) return FALLBACK;
    if (!isSuitable(vma, vpn, PMD_ORDER)) return FALLBACK;
    this.thp.onScannable(mm, mm.prepareAnonVma(vma));
    if (userfaultfdMissing(vma)) {
      if (!vmf.write && this.thp.use_zero_page) this.hugeZero.get(mm);
      return FALLBACK;
    }
    if (vmf.write || !this.thp.use_zero_page) return this.mapFresh(vmf);
    this.mapZero(vmf);
    vmf.unlock();
    return 0;
  }

  /** The huge zero folio for a read (set_huge_zero_folio). */
  private mapZero(vmf: FaultContext): void {
    this.hugeZero.get(vmf.mm);
    const leaf = vmf.slot >> LEAF_SHIFT;
    for (let at = 0; at < PTRS_PER_PTE; at++) {
      this.mapping.setEntry((leaf << LEAF_SHIFT) | at, 0, 0, zeroEntry(vmf.nid));
    }
    this.mapping.setPmd(leaf);
    this.work.charge(this.cost.ns.zeroPageFault);
  }

  /**
   * A fresh folio in an empty PMD (__do_huge_pmd_anonymous_page), also in the place of the huge
   * zero one.
   */
  private mapFresh(vmf: FaultContext): number {
    const first = vmf.vpn - (vmf.vpn % PTRS_PER_PTE);
    const folio = this.anonFault.alloc(vmf, PMD_ORDER, first, this.thp.gfpMask(vmf.vma));
    if (folio < 0) {
      this.vmstat.add(this.faultFallback, 1);
      return FALLBACK;
    }
    const leaf = vmf.slot >> LEAF_SHIFT;
    this.notifiers.invalidateLeaf(leaf, MMU_NOTIFY_CLEAR);
    this.mapping.whole(leaf, () => this.emptyZero(leaf));
    this.anonFault.map(vmf.mm, vmf.vma, folio, first);
    this.mapping.setPmd(leaf);
    this.vmstat.add(this.faultAlloc, 1);
    this.memcgs.countMm(vmf.mm, this.faultAlloc, 1);
    this.work.charge(this.cost.ns.hugeFault);
    vmf.unlock();
    return 0;
  }

  private emptyZero(leaf: number): void {
    for (let at = 0; at < PTRS_PER_PTE; at++) {
      const slot = (leaf << LEAF_SHIFT) | at;
      if (this.ptes.bits[slot] !== 0) this.mapping.change(slot, 0, -1);
    }
  }

  /**
   * A store to a read-only entry (do_huge_pmd_wp_page): reused if nobody else holds the folio, else
   * split, and one page is copied.
   */
  private doHugePmdWpPage(vmf: FaultContext, isZero: boolean): number {
    if (isZero) {
      if (this.mapFresh(vmf) === 0) return 0;
      this.pmds.split(vmf.slot >> LEAF_SHIFT);
      return FALLBACK;
    }
    const folio = this.table.head(vmf.value);
    const taken = this.managed.folio_managed_handle_fault(this.site, folio, vmf, LEVEL_PMD);
    if (taken >= 0) return taken;
    if (this.canReuse(folio)) {
      this.reuse(vmf);
      return 0;
    }
    this.pmds.split(vmf.slot >> LEAF_SHIFT);
    return FALLBACK;
  }

  private canReuse(folio: number): boolean {
    if (this.table.has(folio, PG_anon_exclusive)) return true;
    const inCache = this.table.has(folio, PG_swapcache);
    if (this.table.refcount[folio]! > PTRS_PER_PTE + (inCache ? 1 : 0)) return false;
    if (inCache && !this.swap.freeSwap(folio)) return false;
    return this.table.refcount[folio] === PTRS_PER_PTE;
  }

  private reuse(vmf: FaultContext): void {
    const leaf = vmf.slot >> LEAF_SHIFT;
    const folio = this.table.head(vmf.value);
    this.mapping.whole(leaf, () => {
      for (let at = 0; at < PTRS_PER_PTE; at++) {
        this.table.set(folio + at, PG_anon_exclusive);
        const used = ((leaf << LEAF_SHIFT) | at) === vmf.slot ? PTE_ACCESSED | PTE_MKDIRTY : 0;
        this.mapping.change((leaf << LEAF_SHIFT) | at, PTE_WRITE | PTE_SOFT_DIRTY | used, 0);
      }
    });
    this.table.set(folio, PG_dirty);
    vmf.unlock();
    this.work.charge(this.cost.ns.wpReuse);
  }
}
export const HugeFaultToken = createToken<HugeFault>('HugeFault');
