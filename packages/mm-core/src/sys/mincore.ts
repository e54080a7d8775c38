import { EFAULT, EINVAL, ENOMEM } from '../abi/errno.js';
import {
  isMigrationType,
  PTE_TYPE_HWPOISON,
  PTE_TYPE_SWAP,
  pteHoldsPage,
  pteMapsPage,
  pteType,
} from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { pageIndex, type Vma } from '../mem/vma.js';
import { type Swap, SwapToken } from '../mm/swap.js';
import { isPageAligned, pageRange, sizeOf, TASK_SIZE } from './user-range.js';

/** Entries that mincore hands over at once: a page of them. */
const BATCH = 4096;

/** mincore(2): which pages need no input (mm/mincore.c). */
@injectable()
export class SysMincore {
  constructor(
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(SwapToken) private readonly swap: Swap,
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
    return this.isCached(vma, vpn);
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
