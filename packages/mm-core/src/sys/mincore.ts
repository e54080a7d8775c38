import { EFAULT, EINVAL, ENOMEM } from '../abi/errno.js';
import { VM_HUGETLB } from '../abi/mman.js';
import {
  isMigrationType,
  PTE_TYPE_HWPOISON,
  PTE_TYPE_SWAP,
  pteHoldsPage,
  pteMapsPage,
  pteType,
} from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { pageIndex, type Vma } from '../mem/vma.js';
import { type HugetlbCache, HugetlbCacheToken } from '../mm/hugetlb-cache.js';
import { type Swap, SwapToken } from '../mm/swap.js';
import { isPageAligned, pageRange, sizeOf, TASK_SIZE } from './user-range.js';

/** Entries that mincore hands over at once: a page of them. */
const BATCH = 4096;

/**
 * mincore(2): which pages need no input (mm/mincore.c). Simplified: files have no owner, so whoever
 * maps one may know (can_do_mincore).
 */
@injectable()
export class SysMincore {
  constructor(
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(HugetlbCacheToken) private readonly hugetlbCache: HugetlbCache,
  ) {}

  /**
   * @param vec receives one byte for each page, as far as the call gets before an error; null = an
   *   address that nobody may write to
   * @returns 0, -EINVAL, -ENOMEM or -EFAULT
   */
  mincore(task: TaskStruct, addr: number, length: number, vec: number[] | null): number {
    if (!isPageAligned(addr)) return -EINVAL;
    if (sizeOf(length) > TASK_SIZE - addr) return -ENOMEM;
    const { start, end } = pageRange(addr, length);
    if (vec === null && end > start) return this.intoNowhere(task, start);
    for (let at = start; at < end; ) {
      const vma = task.mm.find(at);
      if (vma === null) return -ENOMEM;
      const to = Math.min(end, vma.end, at + BATCH);
      for (; at < to; at++) vec?.push(this.isInCore(task, vma, at) ? 1 : 0);
    }
    return 0;
  }

  /** The first batch is gathered before the copy fails. */
  private intoNowhere(task: TaskStruct, start: number): number {
    return task.mm.find(start) === null ? -ENOMEM : -EFAULT;
  }

  private isInCore(task: TaskStruct, vma: Vma, vpn: number): boolean {
    const slot = this.ptes.find(task.mm.id, vpn);
    const bits = slot < 0 ? 0 : this.ptes.bits[slot]!;
    if (pteMapsPage(bits)) return true;
    const type = pteType(bits);
    if (type === PTE_TYPE_SWAP) return this.swap.folioOf(this.ptes.value[slot]!) >= 0;
    if (pteHoldsPage(bits) || isMigrationType(type) || type === PTE_TYPE_HWPOISON) return true;
    if ((vma.flags & VM_HUGETLB) !== 0) return this.isCachedHuge(task, vma, vpn);
    return this.isCached(vma, vpn);
  }

  /**
   * Of the pool: an empty entry says no (mincore_hugetlb); the file is asked only where there is no
   * table for one (walk_hugetlb_range).
   */
  private isCachedHuge(task: TaskStruct, vma: Vma, vpn: number): boolean {
    const { file } = vma;
    if (file === null || this.ptes.hasGigabyteTable(task.mm.id, vpn)) return false;
    const index = Math.floor(pageIndex(vma, vpn) / PTRS_PER_PTE);
    return this.hugetlbCache.page(file, index) >= 0;
  }

  /** Nothing stands there: does the file have the page at hand (__mincore_unmapped_range)? */
  private isCached(vma: Vma, vpn: number): boolean {
    const { file } = vma;
    if (file === null) return false;
    const index = pageIndex(vma, vpn);
    if (file.pages.has(index)) return true;
    const entry = file.swapped.get(index);
    return entry !== undefined && this.swap.folioOf(entry) >= 0;
  }
}
export const SysMincoreToken = createToken<SysMincore>('SysMincore');
