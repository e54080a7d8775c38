import { __GFP_ZERO, GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { VM_DROPPABLE, VM_UFFD_WP, VM_WRITE } from '../abi/mman.js';
import {
  PG_anon,
  PG_anon_exclusive,
  PG_batched,
  PG_dirty,
  PG_ksm,
  PG_swapbacked,
  PG_swapcache,
} from '../abi/page-flags.js';
import {
  PTE_ACCESSED,
  PTE_MKDIRTY,
  PTE_SPECIAL,
  PTE_TRACKING,
  PTE_UFFD_WP,
  PTE_WRITE,
} from '../abi/pte.js';
import { VM_FAULT_OOM } from '../abi/vm-fault.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { presenceIn } from '../mem/page-prot.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { handleUserfault, userfaultfdPteWp, userfaultfdWpAsync } from '../mem/userfaultfd.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CostModel } from './cost-model.js';
import type { FaultContext } from './fault-context.js';
import { isSharedWritable } from './file-fault.js';
import { type Folios, FoliosToken } from './folio.js';
import { type FolioPrealloc, FolioPreallocToken } from './folio-prealloc.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { MMU_NOTIFY_CLEAR, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import { type Swap, SwapToken } from './swap.js';
import { type Work, WorkToken } from './work.js';

/** Why a page is copied: for a store, or to be its mapper's own. */
type CopyReason = 'store' | 'unshare';

/**
 * A store to a read-only entry of a private area (mm/memory.c:do_wp_page): reuse the page or copy
 * it.
 */
@injectable()
export class WriteFault {
  private readonly pgreuse = Vmstat.index('pgreuse');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
    @inject(FolioPreallocToken) private readonly prealloc: FolioPrealloc,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  doWpPage(fault: FaultContext): number {
    const vmf = this.withoutUserfaultfd(fault);
    if (vmf === null) return handleUserfault(fault, VM_UFFD_WP);
    const old = vmf.value;
    const special = (vmf.bits & PTE_SPECIAL) !== 0;
    if (!special && isSharedWritable(vmf.vma)) return this.share(vmf);
    const anon = !special && this.table.has(this.table.head(old), PG_anon);
    if (anon && (this.table.has(old, PG_anon_exclusive) || this.canReuse(old))) {
      this.table.set(old, PG_anon_exclusive);
      this.reuse(vmf);
      return 0;
    }
    if (!special) this.folios.get(this.table.head(old));
    this.countKsm(vmf);
    vmf.unlock();
    return this.copy(vmf, special ? -1 : old, 'store');
  }

  /**
   * Gives the entry a copy of its own without a store: read-only, exclusive and as clean as it was
   * (FAULT_FLAG_UNSHARE).
   */
  unshare(vmf: FaultContext): number {
    const special = (vmf.bits & PTE_SPECIAL) !== 0;
    if (!special) this.folios.get(this.table.head(vmf.value));
    this.countKsm(vmf);
    vmf.unlock();
    return this.copy(vmf, special ? -1 : vmf.value, 'unshare');
  }

  private countKsm({ bits, value }: FaultContext): void {
    const isKsm = (bits & PTE_SPECIAL) === 0 && this.table.has(value, PG_ksm);
    if (isKsm) this.vmstat.count('cow_ksm');
  }

  /**
   * A page that a userfaultfd protects is its user's business (null), unless the kernel is to lift
   * the protection.
   */
  private withoutUserfaultfd(vmf: FaultContext): FaultContext | null {
    if (!userfaultfdPteWp(vmf.vma, vmf.bits)) return vmf;
    vmf.unlock();
    if (!userfaultfdWpAsync(vmf.vma)) return null;
    this.mapping.change(vmf.slot, 0, PTE_UFFD_WP);
    return vmf.again(this.ptes.bits[vmf.slot]!, vmf.value);
  }

  /** The first store of a shared mapping to a page that is on disk (wp_page_shared). */
  private share(vmf: FaultContext): number {
    this.mapping.change(vmf.slot, PTE_WRITE | PTE_MKDIRTY | PTE_ACCESSED, 0);
    this.table.set(vmf.value, PG_dirty);
    vmf.unlock();
    this.work.charge(this.cost.ns.wpReuse);
    return 0;
  }

  /**
   * Is the faulter the only one who holds the folio (wp_can_reuse_anon_folio)? A large one is his
   * if all of its references are mappings of his address space.
   */
  private canReuse(pfn: number): boolean {
    if (this.table.order[pfn]! > 0) return this.canReuseLarge(this.table.head(pfn));
    if (this.table.has(pfn, PG_ksm)) return false;
    let extra = this.table.has(pfn, PG_batched) ? 1 : 0;
    if (this.table.has(pfn, PG_swapcache)) extra += 1;
    if (this.table.refcount[pfn]! > 1 + extra) return false;
    this.folios.lruAddDrain();
    if (this.table.has(pfn, PG_swapcache) && !this.swap.freeSwap(pfn)) return false;
    return this.table.refcount[pfn] === 1;
  }

  /** Nobody else maps or holds any page of it (__wp_can_reuse_large_anon_folio). */
  private canReuseLarge(folio: number): boolean {
    if (this.table.has(folio, PG_swapcache) || this.rmapWalk.maybeMappedShared(folio)) return false;
    const mapped = this.table.folioMapcount(folio);
    return mapped > 1 && this.table.refcount[folio] === mapped;
  }

  private reuse(vmf: FaultContext): void {
    this.vmstat.add(this.pgreuse, 1);
    this.mapping.change(vmf.slot, PTE_WRITE | PTE_MKDIRTY | PTE_ACCESSED, 0);
    this.table.set(this.table.head(vmf.value), PG_dirty);
    vmf.unlock();
    this.work.charge(this.cost.ns.wpReuse);
  }

  /**
   * Copies the page, or gives a fresh one for the zero page (wp_page_copy). @param old pfn held, or
   * -1
   */
  private copy(vmf: FaultContext, old: number, why: CopyReason): number {
    vmf.mm.prepareAnonVma(vmf.vma);
    this.work.charge(old < 0 ? this.cost.ns.zeroPageCow : this.cost.ns.cowFault);
    // ptep_clear_flush; the measured fault has the flush of one CPU in it.
    this.work.charge(this.cost.tlbFlushNs(vmf.mm.activeCpus) - this.cost.tlbFlushNs(1));
    const zero = old < 0 ? __GFP_ZERO : 0;
    const pfn = this.prealloc.forVma(vmf, 0, GFP_HIGHUSER_MOVABLE | zero);
    if (pfn < 0) {
      if (old >= 0) this.folios.put(this.table.head(old));
      return VM_FAULT_OOM;
    }
    this.notifiers.invalidate(vmf.mm.id, vmf.vpn, vmf.vpn + 1, MMU_NOTIFY_CLEAR);
    const same = this.ptes.bits[vmf.slot] === vmf.bits && this.ptes.value[vmf.slot] === vmf.value;
    if (same) this.install(vmf, old, pfn, why);
    else this.folios.put(pfn);
    if (old >= 0) this.folios.put(this.table.head(old));
    return 0;
  }

  private install(vmf: FaultContext, old: number, pfn: number, why: CopyReason): void {
    if (old >= 0) {
      const place = this.cache.placeOf(old);
      if (place !== null) {
        this.ptes.shadow[vmf.slot] = place.file.expected.get(place.index) ?? 0;
      }
      this.contents.copy(pfn, old);
      const device = this.contents.deviceOf(old);
      if (device !== null) this.work.charge(device.readPageNs(old));
      this.mapping.unmap(vmf.slot);
      this.folios.put(this.table.head(old));
    } else {
      this.mapping.change(vmf.slot, 0, -1);
    }
    const backed = (vmf.vma.flags & VM_DROPPABLE) === 0 ? PG_swapbacked : 0;
    this.table.set(pfn, PG_anon | PG_anon_exclusive | backed);
    const write = (vmf.vma.flags & VM_WRITE) !== 0 ? PTE_WRITE : 0;
    const bits = why === 'store' ? PTE_MKDIRTY | write : vmf.bits & PTE_TRACKING;
    this.mapping.map(vmf.slot, pfn, presenceIn(vmf.vma) | PTE_ACCESSED | bits);
    this.mlockFolio.mapped(pfn, vmf.vma);
    this.folios.addLru(pfn);
  }
}
export const WriteFaultToken = createToken<WriteFault>('WriteFault');
