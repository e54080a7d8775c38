import { GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { VM_LOCKED, VM_WRITE } from '../abi/mman.js';
import {
  PG_anon,
  PG_anon_exclusive,
  PG_batched,
  PG_dirty,
  PG_hwpoison,
  PG_isolated,
  PG_lru,
  PG_mlocked,
  PG_swapbacked,
  PG_swapcache,
} from '../abi/page-flags.js';
import {
  PTE_ACCESSED,
  PTE_MKDIRTY,
  PTE_SWP_EXCLUSIVE,
  PTE_TRACKING,
  PTE_WRITE,
  pteMapsPage,
} from '../abi/pte.js';
import { VM_FAULT_HWPOISON, VM_FAULT_MAJOR, VM_FAULT_OOM } from '../abi/vm-fault.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { presenceIn } from '../mem/page-prot.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { mustSeeStore } from '../mem/soft-dirty.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CostModel } from './cost-model.js';
import type { FaultContext } from './fault-context.js';
import { type Folios, FoliosToken } from './folio.js';
import { type FolioPrealloc, FolioPreallocToken } from './folio-prealloc.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { type Swap, SwapToken } from './swap.js';
import { DO_SWAP_PAGE, type SwapLarge, SwapLargeToken } from './swap-large.js';
import { type SwapReadahead, SwapReadaheadToken } from './swap-readahead.js';
import { type Work, WorkToken } from './work.js';
import { type Workingset, WorkingsetToken } from './workingset.js';
import { type WriteFault, WriteFaultToken } from './write-fault.js';

/** Who wants the page of an entry: a fault, or swapoff. */
type Wanting = 'fault' | 'swapoff';

/** A fault on a swap entry (mm/memory.c:do_swap_page). */
@injectable()
export class SwapFault {
  private readonly pgmajfault = Vmstat.index('pgmajfault');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(FolioPreallocToken) private readonly prealloc: FolioPrealloc,
    @inject(WriteFaultToken) private readonly writeFault: WriteFault,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(SwapLargeToken) private readonly large: SwapLarge,
    @inject(SwapReadaheadToken) private readonly readahead: SwapReadahead,
    @inject(WorkingsetToken) private readonly workingset: Workingset,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  doSwapPage(vmf: FaultContext): number {
    const result = this.bringIn(vmf, 'fault');
    if ((result & VM_FAULT_MAJOR) === 0) return result;
    this.vmstat.add(this.pgmajfault, 1);
    this.memcgs.countMm(vmf.mm, this.pgmajfault, 1);
    return result;
  }

  private bringIn(vmf: FaultContext, who: Wanting): number {
    vmf.unlock();
    const cached = this.swap.folioOf(vmf.value);
    if (cached < 0) {
      // swapoff reads ahead from every device (unuse_pte_range).
      const isDirect = this.swap.synchronous && who === 'fault';
      return isDirect ? this.readIn(vmf) : this.readAround(vmf);
    }
    if (who === 'fault') this.readahead.used(cached, vmf);
    if (this.table.has(cached, PG_hwpoison)) return VM_FAULT_HWPOISON;
    // The folio lock: a batch that moves the folio of the swap cache has to end first.
    if (this.migrate.waitFor(cached)) return 0;
    this.folios.get(cached);
    this.work.charge(this.cost.ns.swapInKernel);
    return this.install(vmf, cached);
  }

  /**
   * swapoff brings the page of an entry back, old and read-only, and nobody counts a fault
   * (mm/swapfile.c:unuse_pte). @returns 0 or VM_FAULT_* bits
   */
  unusePte(vmf: FaultContext): number {
    const result = this.bringIn(vmf, 'swapoff') & ~VM_FAULT_MAJOR;
    if (!pteMapsPage(this.ptes.bits[vmf.slot]!)) return result;
    this.mapping.change(vmf.slot, 0, PTE_WRITE | PTE_ACCESSED);
    const folio = this.ptes.value[vmf.slot]!;
    if (this.table.has(folio, PG_swapcache)) this.swap.freeSwap(folio);
    return result;
  }

  /** Reads the slot into the swap cache, and others around it. */
  private readAround(vmf: FaultContext): number {
    this.work.charge(this.cost.ns.swapInKernel);
    const folio = this.readahead.swapin(vmf);
    const isSame = this.isSame(vmf);
    if (folio < 0) return isSame ? VM_FAULT_OOM : 0;
    if (!isSame || this.migrate.waitFor(folio)) return VM_FAULT_MAJOR;
    this.folios.get(folio);
    return this.install(vmf, folio) | VM_FAULT_MAJOR;
  }

  /** Is the entry what it was when the fault began (pte_same)? */
  private isSame({ slot, bits, value }: FaultContext): boolean {
    return this.ptes.bits[slot] === bits && this.ptes.value[slot] === value;
  }

  /** Reads the slot into a fresh page of the swap cache (swapin_sync). */
  private readIn(vmf: FaultContext): number {
    if (this.large.readIn(vmf)) return VM_FAULT_MAJOR;
    const entry = vmf.value;
    const memcg = this.swap.memcgOf(entry);
    const pfn = this.prealloc.forSwapIn(vmf, GFP_HIGHUSER_MOVABLE, memcg);
    if (pfn < 0) return VM_FAULT_OOM;
    this.work.charge(this.cost.ns.swapInKernel);
    // The allocation may have reclaimed, and zswap written the page back through the swap cache.
    if (!this.isSame(vmf) || this.swap.folioOf(entry) >= 0) {
      this.folios.put(pfn);
      return 0;
    }
    this.swap.read(entry, pfn, 'asked for');
    this.table.set(pfn, PG_anon | PG_swapbacked);
    this.workingset.refault(pfn, this.swap.takeShadow(entry));
    this.swap.cacheFolio(entry, pfn);
    const result = this.install(vmf, pfn);
    return result | VM_FAULT_MAJOR;
  }

  /**
   * Maps a folio of the swap cache in place of its entry, with the reference that the caller holds.
   * It is exclusive if the entry said so; a store to one that is not goes on as a write-protect
   * fault at once.
   */
  private install(vmf: FaultContext, folio: number): number {
    const entry = vmf.value;
    const exclusive = (vmf.bits & PTE_SWP_EXCLUSIVE) !== 0;
    const fresh = !this.table.has(folio, PG_lru | PG_batched | PG_isolated);
    assert(this.table.has(folio, PG_swapcache), 'the folio is in the swap cache');
    this.mapping.setEntry(vmf.slot, 0, 0);
    vmf.mm.swapents -= 1;
    this.swap.freeEntry(entry);
    const fenced = this.managed.folio_managed_swap_in_wrprotect(DO_SWAP_PAGE, folio);
    const tracked = vmf.bits & PTE_TRACKING;
    const free = exclusive && !fenced && !mustSeeStore(vmf.vma, tracked);
    const mayWrite = (vmf.vma.flags & VM_WRITE) !== 0 && free;
    const writable = mayWrite ? PTE_WRITE | (vmf.write ? PTE_MKDIRTY : 0) : 0;
    this.table.set(folio, PG_anon | (exclusive ? PG_anon_exclusive : 0));
    if (vmf.write) this.table.set(folio, PG_dirty);
    this.mapping.map(vmf.slot, folio, presenceIn(vmf.vma) | PTE_ACCESSED | writable | tracked);
    this.mlockFolio.mapped(folio, vmf.vma);
    if (fresh) this.folios.addLru(folio);
    if (this.shouldTryToFree(folio, vmf, exclusive)) this.swap.freeSwap(folio);
    if (!vmf.write || mayWrite || fenced) return 0;
    const bits = this.ptes.bits[vmf.slot]!;
    return this.writeFault.doWpPage(vmf.again(bits, this.ptes.value[vmf.slot]!));
  }

  /**
   * The slot goes if the device is synchronous or swap is more than half full, if the page is
   * locked in memory, or with a store to an exclusive page (should_try_to_free_swap).
   */
  private shouldTryToFree(
    folio: number,
    { vma, write }: FaultContext,
    exclusive: boolean,
  ): boolean {
    if (!write && this.swap.front?.keeps(folio) === true) return false;
    if (this.swap.synchronous || this.swap.isFullFor(this.memcgs.of(folio))) return true;
    if ((vma.flags & VM_LOCKED) !== 0 || this.table.has(folio, PG_mlocked)) return true;
    return write && exclusive;
  }
}
export const SwapFaultToken = createToken<SwapFault>('SwapFault');
