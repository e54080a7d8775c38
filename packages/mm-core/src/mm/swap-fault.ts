import { GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { VM_WRITE } from '../abi/mman.js';
import {
  PG_anon,
  PG_anon_exclusive,
  PG_dirty,
  PG_hwpoison,
  PG_swapbacked,
  PG_swapcache,
} from '../abi/page-flags.js';
import { PTE_ACCESSED, PTE_DIRTY, PTE_PRESENT, PTE_SWP_EXCLUSIVE, PTE_WRITE } from '../abi/pte.js';
import { VM_FAULT_HWPOISON, VM_FAULT_MAJOR, VM_FAULT_OOM } from '../abi/vm-fault.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CostModel } from './cost-model.js';
import type { FaultContext } from './fault-context.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Mapping, MappingToken } from './mapping.js';
import { Mempolicy } from './mempolicy.js';
import { type PageAlloc, PageAllocToken } from './page-alloc.js';
import { type Swap, SwapToken } from './swap.js';
import { type Work, WorkToken } from './work.js';

/**
 * A fault on a swap entry (mm/memory.c:do_swap_page). Simplified: no readahead, no large folios.
 */
@injectable()
export class SwapFault {
  private readonly site = Sites.index('memory.do_swap_page');
  private readonly pgmajfault = Vmstat.index('pgmajfault');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(Mempolicy) private readonly mempolicy: Mempolicy,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  doSwapPage(vmf: FaultContext): number {
    vmf.unlock();
    const entry = vmf.value;
    const cached = this.swap.folioOf(entry);
    if (cached >= 0) {
      if (this.table.has(cached, PG_hwpoison)) return VM_FAULT_HWPOISON;
      this.folios.get(cached);
      this.work.charge(this.cost.ns.swapInKernel);
      this.install(vmf, cached);
      this.folios.put(cached);
      return 0;
    }
    const { nid, nodemask, gfp } = this.mempolicy.choose(vmf.mm, vmf.vma, vmf.vpn, vmf.nid);
    const request = { gfp: GFP_HIGHUSER_MOVABLE | gfp, order: 0, nid, nodemask };
    const pfn = this.pageAlloc.alloc(request);
    if (pfn < 0) return VM_FAULT_OOM;
    this.vmstat.add(this.pgmajfault, 1);
    this.work.charge(this.cost.ns.swapInKernel);
    if (this.ptes.bits[vmf.slot] !== vmf.bits || this.ptes.value[vmf.slot] !== entry) {
      this.folios.put(pfn);
      return 0;
    }
    this.swap.read(entry, pfn);
    this.table.set(pfn, PG_anon | PG_swapbacked);
    this.swap.cacheFolio(entry, pfn);
    this.folios.addLru(pfn);
    this.install(vmf, pfn);
    this.folios.put(pfn);
    return VM_FAULT_MAJOR;
  }

  /**
   * Maps a folio of the swap cache in place of its entry; takes a reference of its own for the
   * mapping.
   */
  private install(vmf: FaultContext, folio: number): void {
    const entry = vmf.value;
    const wasExclusive = (vmf.bits & PTE_SWP_EXCLUSIVE) !== 0;
    assert(this.table.has(folio, PG_swapcache), 'the folio is in the swap cache');
    this.folios.get(folio);
    this.mapping.setEntry(vmf.slot, 0, 0);
    vmf.mm.swapents -= 1;
    const unshared = this.swap.entryCount(entry) === 1 && this.table.mapcount[folio] === 0;
    const exclusive = wasExclusive || unshared;
    const fenced = this.managed.folio_managed_swap_in_wrprotect(this.site, folio);
    const mayWrite = (vmf.vma.flags & VM_WRITE) !== 0 && exclusive && !fenced;
    const dirty = vmf.write && mayWrite ? PTE_DIRTY : 0;
    if (exclusive) this.table.set(folio, PG_anon_exclusive);
    this.mapping.map(
      vmf.slot,
      folio,
      PTE_PRESENT | PTE_ACCESSED | (mayWrite ? PTE_WRITE : 0) | dirty,
    );
    this.swap.freeEntry(entry);
    if (this.shouldTryToFree(vmf.write && exclusive)) this.swap.freeSwap(folio);
    if (vmf.write) this.table.set(folio, PG_dirty);
  }

  /**
   * The slot goes when the device is synchronous, more than half full, or the page is written
   * (should_try_to_free_swap).
   */
  private shouldTryToFree(writtenExclusive: boolean): boolean {
    return this.swap.synchronous || this.swap.isFull() || writtenExclusive;
  }
}
export const SwapFaultToken = createToken<SwapFault>('SwapFault');
