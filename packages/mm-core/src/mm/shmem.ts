import { EAGAIN, ENOMEM } from '../abi/errno.js';
import { __GFP_ZERO, GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { PG_dirty, PG_hwpoison, PG_swapbacked } from '../abi/page-flags.js';
import { PMD_ORDER } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CostModel } from './cost-model.js';
import type { FaultContext } from './fault-context.js';
import { type Folios, FoliosToken } from './folio.js';
import { type FolioPrealloc, FolioPreallocToken } from './folio-prealloc.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
import { type PolicyNodes, PolicyNodesToken } from './policy-nodes.js';
import { type Swap, SwapToken } from './swap.js';
import { type SwapReadahead, SwapReadaheadToken } from './swap-readahead.js';
import { isSuitable, type ThpSettings, ThpSettingsToken } from './thp-settings.js';
import { type Work, WorkToken } from './work.js';
import { type Workingset, WorkingsetToken } from './workingset.js';

/** A page of a file made available: its pfn or -errno, and whether it had to be read. */
export interface FilePage {
  readonly pfn: number;
  readonly isMajor: boolean;
  /** Something was read and the lock dropped for it, so the fault begins anew (VM_FAULT_RETRY). */
  readonly isRetried?: boolean;
}

/** Memory of files that live in memory and swap (mm/shmem.c). */
@injectable()
export class Shmem {
  private readonly pgmajfault = Vmstat.index('pgmajfault');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(FolioPreallocToken) private readonly prealloc: FolioPrealloc,
    @inject(PolicyNodesToken) private readonly policyNodes: PolicyNodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(SwapReadaheadToken) private readonly readahead: SwapReadahead,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(ThpSettingsToken) private readonly thp: ThpSettings,
    @inject(WorkingsetToken) private readonly workingset: Workingset,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * The page at `index`: cached, brought back from swap, or fresh zeroes (shmem_get_folio_gfp).
   * @param nid node of the CPU, where a page that has to be allocated comes from without a policy
   * @param vmf the fault that asks; null for a system call
   */
  getFolio(
    file: AddressSpace,
    index: number,
    nid: number,
    vmf: FaultContext | null = null,
  ): FilePage {
    const cached = this.cache.find(file, index);
    if (cached >= 0) return { pfn: cached, isMajor: false };
    const entry = file.swapped.get(index);
    if (entry !== undefined) return this.swapIn({ file, index, entry, nid, vmf });
    const large = this.getLarge(file, index, nid, vmf);
    if (large >= 0) return { pfn: large, isMajor: false };
    const pfn = this.allocate(file, { index, order: 0 }, nid, GFP_HIGHUSER_MOVABLE | __GFP_ZERO);
    if (pfn < 0) return { pfn, isMajor: false };
    this.insert(file, index, pfn, 0);
    return { pfn, isMajor: false };
  }

  /**
   * A fresh folio of the largest order that is allowed, has room around `index` and is to be had
   * (shmem_alloc_and_add_folio). @returns the page at `index`, or -1
   */
  private getLarge(
    file: AddressSpace,
    index: number,
    nid: number,
    vmf: FaultContext | null,
  ): number {
    const allowed = this.thp.shmemOrders(file, index, vmf, 'by files');
    if (allowed === 0) return -1;
    const gfp = this.thp.gfpMask(vmf?.vma ?? null) | __GFP_ZERO;
    let isChecked = false;
    for (let order = PMD_ORDER; order > 0; order--) {
      if ((allowed & (1 << order)) === 0) continue;
      const first = index - (index % (1 << order));
      if (vmf !== null && !isSuitable(vmf.vma, vmf.vpn, order)) continue;
      if (!isChecked && !isHole(file, first, 1 << order)) continue;
      isChecked = true;
      const folio = this.allocate(file, { index: first, order }, nid, gfp);
      if (folio >= 0) {
        this.insert(file, first, folio, 0);
        return folio + (index - first);
      }
    }
    return -1;
  }

  /** shmem_swapin_folio: a major fault unless the swap cache has the page. */
  private swapIn(wanted: SwappedPage): FilePage {
    const { file, index, entry, nid, vmf } = wanted;
    const held = this.swap.folioOf(entry);
    if (held >= 0) {
      // The folio lock: a batch that moves the folio of the swap cache has to end first.
      if (this.migrate.waitFor(held)) {
        // A background actor cannot wait.
        if (this.migrate.completionOf(held) >= 0) return { pfn: -EAGAIN, isMajor: false };
        return this.getFolio(file, index, nid, vmf);
      }
      this.readahead.used(held, null);
      if (this.table.has(held, PG_hwpoison)) return { pfn: -ENOMEM, isMajor: false };
      this.folios.get(held);
      this.chargeSwapIn(vmf);
      this.leaveSwap(file, index, entry, held);
      this.cache.add(file, index, held);
      this.folios.put(held);
      return { pfn: held, isMajor: false };
    }
    if (!this.swap.synchronous) return this.readAround(wanted);
    const order = this.swappedOrder(file, index, vmf);
    const first = index - (index % (1 << order));
    const gfp = order > 0 ? this.thp.gfpMask(vmf?.vma ?? null) : GFP_HIGHUSER_MOVABLE;
    const folio = this.allocate(file, { index: first, order }, nid, gfp);
    if (folio < 0) {
      if (order === 0) return { pfn: folio, isMajor: false };
      file.swappedLarge.delete(first);
      return this.swapIn(wanted);
    }
    if (!this.isWhole(file, first, 1 << order)) {
      // The allocation may have reclaimed, and zswap written a page back through the swap cache.
      this.folios.put(folio);
      return this.swapIn(wanted);
    }
    this.chargeSwapIn(vmf);
    this.countMajor(vmf);
    const shadow = this.swap.takeShadow(entry);
    for (let at = 0; at < 1 << order; at++) this.read(file, first + at, folio + at);
    this.table.set(folio, PG_swapbacked);
    this.workingset.refault(folio, shadow);
    file.swappedLarge.delete(first);
    this.insert(file, first, folio, PG_dirty);
    return { pfn: folio + (index - first), isMajor: true };
  }

  /** shmem_swapin_cluster: reads the page into the swap cache, and others around its slot. */
  private readAround({ file, index, entry, nid, vmf }: SwappedPage): FilePage {
    const choice = this.policyNodes.shmemChoice(file, { index, order: 0 }, nid);
    const folio = this.readahead.cluster(entry, (slot) =>
      this.prealloc.forFileSwapIn(choice, GFP_HIGHUSER_MOVABLE, this.swap.memcgOf(slot)),
    );
    if (folio < 0 && file.swapped.get(index) === entry) return { pfn: -ENOMEM, isMajor: false };
    this.countMajor(vmf);
    const { pfn } = this.getFolio(file, index, nid, vmf);
    return { pfn, isMajor: true };
  }

  /** The kernel's part, less the trap of a fault, which is paid already. */
  private chargeSwapIn(vmf: FaultContext | null): void {
    const { swapInKernel, trap } = this.cost.ns;
    this.work.charge(Math.max(0, swapInKernel - (vmf === null ? 0 : trap)));
  }

  /** Only a fault counts; a system call that reads does not. */
  private countMajor(vmf: FaultContext | null): void {
    if (vmf === null) return;
    this.vmstat.add(this.pgmajfault, 1);
    this.memcgs.countMm(vmf.mm, this.pgmajfault, 1);
  }

  private read(file: AddressSpace, index: number, pfn: number): void {
    const entry = file.swapped.get(index);
    assert(entry !== undefined, 'a block of swap is whole');
    this.swap.read(entry, pfn, 'asked for');
    this.swap.takeShadow(entry);
    file.swapped.delete(index);
    this.swap.freeEntry(entry);
  }

  /** Order in which a block went to swap and can come back (shmem_swap_alloc_folio). */
  private swappedOrder(file: AddressSpace, index: number, vmf: FaultContext | null): number {
    if (!this.swap.bringsLargeIn || (vmf !== null && vmf.vma.uffd !== null)) return 0;
    for (let order = PMD_ORDER; order > 0; order--) {
      const first = index - (index % (1 << order));
      if (file.swappedLarge.get(first) === order && this.isWhole(file, first, 1 << order)) {
        return order;
      }
    }
    return 0;
  }

  /** Is all of a block in swap still, and nothing of it in the swap cache? */
  private isWhole(file: AddressSpace, first: number, pages: number): boolean {
    for (let at = first; at < first + pages; at++) {
      const entry = file.swapped.get(at);
      if (entry === undefined || this.swap.folioOf(entry) >= 0) return false;
    }
    return true;
  }

  private leaveSwap(file: AddressSpace, index: number, entry: number, folio: number): void {
    file.swapped.delete(index);
    this.swap.freeEntry(entry);
    this.swap.freeSwap(folio);
  }

  /** By the policy of the file at this place, else the task's (shmem_alloc_folio). */
  private allocate(file: AddressSpace, place: Block, nid: number, gfp: number): number {
    const choice = this.policyNodes.shmemChoice(file, place, nid);
    const pfn = this.prealloc.forFile(choice, gfp, place.order);
    return pfn < 0 ? -ENOMEM : pfn;
  }

  /** @param dirty PG_dirty if the page holds more than the zeroes that a hole reads as */
  private insert(file: AddressSpace, index: number, folio: number, dirty: number): void {
    this.table.set(folio, PG_swapbacked | dirty);
    this.cache.add(file, index, folio);
    this.folios.addLru(folio);
    this.folios.put(folio);
  }
}
export const ShmemToken = createToken<Shmem>('Shmem');

/** Where a folio of a file begins, and how large it is. */
interface Block {
  readonly index: number;
  readonly order: number;
}

/** A page of a file that is in swap, and who asks for it. */
interface SwappedPage {
  readonly file: AddressSpace;
  readonly index: number;
  readonly entry: number;
  /** Node of the CPU. */
  readonly nid: number;
  /** Null: a system call asks. */
  readonly vmf: FaultContext | null;
}

/** Is nothing cached or swapped there? */
function isHole(file: AddressSpace, first: number, pages: number): boolean {
  for (let at = first; at < first + pages; at++) {
    if (file.hasData(at)) return false;
  }
  return true;
}
