import { ENOMEM } from '../abi/errno.js';
import { __GFP_ZERO, GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { PG_dirty, PG_hwpoison, PG_swapbacked } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { AddressSpace } from '../mem/address-space.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type Folios, FoliosToken } from './folio.js';
import { type FolioPrealloc, FolioPreallocToken } from './folio-prealloc.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
import { type PolicyNodes, PolicyNodesToken } from './policy-nodes.js';
import { type Swap, SwapToken } from './swap.js';
import { type Workingset, WorkingsetToken } from './workingset.js';

/** A page of a file made available: its pfn or -errno, and whether it had to be read. */
export interface FilePage {
  readonly pfn: number;
  readonly isMajor: boolean;
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
    @inject(WorkingsetToken) private readonly workingset: Workingset,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /**
   * The page at `index`: cached, brought back from swap, or fresh zeroes (shmem_get_folio_gfp).
   * @param nid node of the CPU, where a page that has to be allocated comes from without a policy
   */
  getFolio(file: AddressSpace, index: number, nid: number): FilePage {
    const cached = this.cache.find(file, index);
    if (cached >= 0) return { pfn: cached, isMajor: false };
    const entry = file.swapped.get(index);
    if (entry !== undefined) return this.swapIn(file, index, entry, nid);
    const pfn = this.allocate(file, index, nid, __GFP_ZERO);
    if (pfn < 0) return { pfn, isMajor: false };
    this.insert(file, index, pfn, 0);
    return { pfn, isMajor: false };
  }

  /** shmem_swapin_folio: a major fault unless the swap cache has the page. */
  private swapIn(file: AddressSpace, index: number, entry: number, nid: number): FilePage {
    const held = this.swap.folioOf(entry);
    if (held >= 0) {
      if (this.table.has(held, PG_hwpoison)) return { pfn: -ENOMEM, isMajor: false };
      this.folios.get(held);
      this.leaveSwap(file, index, entry, held);
      this.cache.add(file, index, held);
      this.folios.put(held);
      return { pfn: held, isMajor: false };
    }
    const pfn = this.allocate(file, index, nid, 0);
    if (pfn < 0) return { pfn, isMajor: false };
    this.vmstat.add(this.pgmajfault, 1);
    this.swap.read(entry, pfn);
    this.table.set(pfn, PG_swapbacked);
    this.workingset.refault(pfn, this.swap.takeShadow(entry));
    file.swapped.delete(index);
    this.swap.freeEntry(entry);
    this.insert(file, index, pfn, PG_dirty);
    return { pfn, isMajor: true };
  }

  private leaveSwap(file: AddressSpace, index: number, entry: number, folio: number): void {
    file.swapped.delete(index);
    this.swap.freeEntry(entry);
    this.swap.freeSwap(folio);
  }

  /** By the policy of the file at this index, else the task's (shmem_alloc_folio). */
  private allocate(file: AddressSpace, index: number, nid: number, extra: number): number {
    const choice = this.policyNodes.shmemChoice(file, index, nid);
    const pfn = this.prealloc.forFile(choice, GFP_HIGHUSER_MOVABLE | extra);
    return pfn < 0 ? -ENOMEM : pfn;
  }

  /** @param dirty PG_dirty if the page holds more than the zeroes that a hole reads as */
  private insert(file: AddressSpace, index: number, pfn: number, dirty: number): void {
    this.table.set(pfn, PG_swapbacked | dirty);
    this.cache.add(file, index, pfn);
    this.folios.addLru(pfn);
    this.folios.put(pfn);
  }
}
export const ShmemToken = createToken<Shmem>('Shmem');
