import { VM_WRITE } from '../abi/mman.js';
import { PG_anon, PG_anon_exclusive, PG_dirty, PG_swapbacked } from '../abi/page-flags.js';
import { PTE_ACCESSED, PTE_MKDIRTY, PTE_TRACKING, PTE_WRITE } from '../abi/pte.js';
import { PMD_ORDER } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { presenceIn } from '../mem/page-prot.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { mustSeeStore } from '../mem/soft-dirty.js';
import { CostModel } from './cost-model.js';
import type { FaultContext } from './fault-context.js';
import { type Folios, FoliosToken } from './folio.js';
import { type FolioPrealloc, FolioPreallocToken } from './folio-prealloc.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { type Swap, SwapToken } from './swap.js';
import { isSuitable, type ThpSettings, ThpSettingsToken } from './thp-settings.js';
import { type Work, WorkToken } from './work.js';
import { type Workingset, WorkingsetToken } from './workingset.js';

/** The site that a swap-in asks at, large or not. */
export const DO_SWAP_PAGE = Sites.index('memory.do_swap_page');

/**
 * Anonymous memory that went to swap as a large folio and comes back as one, from a synchronous
 * device (mm/memory.c:thp_swapin_suitable_orders, can_swapin_thp). Simplified: only where nobody
 * else has the entries, as the swap cache has base pages only.
 */
@injectable()
export class SwapLarge {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(FolioPreallocToken) private readonly prealloc: FolioPrealloc,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(WorkingsetToken) private readonly workingset: Workingset,
    @inject(ThpSettingsToken) private readonly thp: ThpSettings,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** Reads the block of swap around a fault, if the area may have such folios. @returns did it? */
  readIn(vmf: FaultContext): boolean {
    let orders = this.orders(vmf);
    const memcg = this.swap.memcgOf(vmf.value);
    while (orders !== 0) {
      const order = 31 - Math.clz32(orders);
      orders &= ~(1 << order);
      const { mm, vma, nid, vpn } = vmf;
      const page = { mm, vma, nid, vpn: vpn - (vpn % (1 << order)) };
      const folio = this.prealloc.forSwapIn(page, this.thp.gfpMask(vmf.vma), memcg, order);
      if (folio < 0) continue;
      if (this.canSwapIn(vmf.slot - (vmf.vpn % (1 << order)), 1 << order)) {
        this.install(vmf, folio, order);
        return true;
      }
      this.folios.put(folio);
      return false;
    }
    return false;
  }

  /** Orders from the largest on whose block can come back whole, as a mask. */
  private orders(vmf: FaultContext): number {
    const { mm, vma, vpn } = vmf;
    if (!this.swap.bringsLargeIn || vma.uffd !== null) return 0;
    const allowed = this.thp.allowableOrders(mm, vma, 'pagefault', (1 << PMD_ORDER) - 2);
    for (let order = PMD_ORDER - 1; order > 0; order--) {
      if ((allowed & (1 << order)) === 0 || !isSuitable(vma, vpn, order)) continue;
      if (this.canSwapIn(vmf.slot - (vpn % (1 << order)), 1 << order)) {
        return allowed & ((2 << order) - 1);
      }
    }
    return 0;
  }

  /** Do entries that are alike name slots in a row, beginning where the block may? */
  private canSwapIn(first: number, pages: number): boolean {
    const bits = this.ptes.bits[first]!;
    const base = this.ptes.value[first]!;
    if (!this.swap.isBlockStart(base, pages)) return false;
    for (let at = 0; at < pages; at++) {
      if (this.ptes.bits[first + at] !== bits || this.ptes.value[first + at] !== base + at) {
        return false;
      }
      const entry = base + at;
      if (this.swap.folioOf(entry) >= 0 || this.swap.entryCount(entry) !== 1) return false;
      if (this.swap.isZero(entry) !== this.swap.isZero(base)) return false;
    }
    return true;
  }

  private install(vmf: FaultContext, folio: number, order: number): void {
    const pages = 1 << order;
    const first = vmf.slot - (vmf.vpn % pages);
    const base = this.ptes.value[first]!;
    const shadow = this.swap.takeShadow(vmf.value);
    this.work.charge(this.cost.ns.swapInKernel);
    for (let at = 0; at < pages; at++) {
      this.swap.read(base + at, folio + at, 'asked for');
      this.swap.takeShadow(base + at);
      this.mapping.setEntry(first + at, 0, 0);
      this.swap.freeEntry(base + at);
    }
    vmf.mm.swapents -= pages;
    this.table.set(folio, PG_anon | PG_swapbacked | PG_dirty);
    this.table.refcount[folio]! += pages - 1;
    this.workingset.refault(folio, shadow);
    const bits = this.bitsFor(vmf, folio);
    for (let at = 0; at < pages; at++) {
      this.table.set(folio + at, PG_anon | PG_anon_exclusive);
      this.mapping.map(first + at, folio + at, bits);
    }
    this.mlockFolio.mapped(folio, vmf.vma);
    this.folios.addLru(folio);
  }

  private bitsFor({ vma, bits, write }: FaultContext, folio: number): number {
    const tracked = bits & PTE_TRACKING;
    const fenced = this.managed.folio_managed_swap_in_wrprotect(DO_SWAP_PAGE, folio);
    const mayWrite = (vma.flags & VM_WRITE) !== 0 && !fenced && !mustSeeStore(vma, tracked);
    const writable = mayWrite ? PTE_WRITE | (write ? PTE_MKDIRTY : 0) : 0;
    return presenceIn(vma) | PTE_ACCESSED | writable | tracked;
  }
}
export const SwapLargeToken = createToken<SwapLarge>('SwapLarge');
