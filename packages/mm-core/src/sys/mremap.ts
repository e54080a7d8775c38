import { EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM } from '../abi/errno.js';
import {
  MREMAP_DONTUNMAP,
  MREMAP_FIXED,
  MREMAP_MAYMOVE,
  VM_ACCOUNT,
  VM_DONTEXPAND,
  VM_HUGETLB,
  VM_LOCKED,
  VM_MAYSHARE,
  VM_SEALED,
} from '../abi/mman.js';
import { UFFD_EVENT_REMAP, UFFD_EVENT_UNMAP } from '../abi/userfaultfd.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { tellUffd } from '../mem/userfaultfd.js';
import { clipVma, type MmStruct, type Vma } from '../mem/vma.js';
import { type Ksm, KsmToken } from '../mm/ksm.js';
import { type Mmap, MmapToken } from '../mm/mmap.js';
import { type Move, type Mremap, MremapToken } from '../mm/mremap.js';
import { type Populate, PopulateToken } from '../mm/populate.js';
import { unmappedArea } from '../mm/unmapped-area.js';
import { type VmLimits, VmLimitsToken } from '../mm/vm-limits.js';
import { type VmaEdit, VmaEditToken } from '../mm/vma-edit.js';
import { type SyscallShadow, SyscallShadowToken } from './syscall-shadow.js';
import {
  ADDRESS_SPACE,
  addressOf,
  isPageAligned,
  pageAlign,
  pagesOf,
  sizeOf,
  TASK_SIZE,
  vpnOf,
} from './user-range.js';

/** What a program asks of mremap, in bytes. */
export interface MremapRequest {
  readonly addr: number;
  readonly oldLength: number;
  readonly newLength: number;
  /** MREMAP_* */
  readonly flags: number;
  /** Where to, with MREMAP_FIXED. */
  readonly newAddr?: number;
}

/** One area's part of a request, in pages (struct vma_remap_struct). */
interface Remap {
  readonly task: TaskStruct;
  readonly mm: MmStruct;
  readonly vma: Vma;
  readonly start: number;
  readonly oldPages: number;
  readonly newPages: number;
  readonly flags: number;
  /** First page of the target with MREMAP_FIXED. */
  readonly to: number;
}

/** mremap(2): checks as in mm/mremap.c:do_mremap. Failures are -errno, results addresses. */
@injectable()
export class SysMremap {
  constructor(
    @inject(MmapToken) private readonly mmap: Mmap,
    @inject(MremapToken) private readonly mover: Mremap,
    @inject(PopulateToken) private readonly populate: Populate,
    @inject(KsmToken) private readonly ksm: Ksm,
    @inject(VmaEditToken) private readonly edit: VmaEdit,
    @inject(VmLimitsToken) private readonly limits: VmLimits,
    @inject(SyscallShadowToken) private readonly shadow: SyscallShadow,
  ) {}

  /** @returns the new address or -errno */
  mremap(task: TaskStruct, request: MremapRequest): number {
    const rc = this.checkParams(task, request);
    if (rc < 0) return rc;
    const { addr, flags } = request;
    const oldPages = pagesOf(pageAlign(sizeOf(request.oldLength)));
    const newPages = pagesOf(pageAlign(sizeOf(request.newLength)));
    const to = vpnOf(request.newAddr ?? 0);
    const { mm } = task;
    const isMoveOnly = (flags & MREMAP_FIXED) !== 0 && oldPages === newPages;
    const start = vpnOf(addr);
    if (isMoveOnly) return this.moveAll({ task, mm, start, oldPages, newPages, flags, to });
    const vma = mm.find(start);
    if (vma === null) return -EFAULT;
    return this.one({ task, mm, vma, start, oldPages, newPages, flags, to });
  }

  /** What can be said without looking at the areas (check_mremap_params). */
  private checkParams({ mm }: TaskStruct, request: MremapRequest): number {
    const { addr, flags, newAddr = 0 } = request;
    const oldLength = pageAlign(sizeOf(request.oldLength));
    const newLength = pageAlign(sizeOf(request.newLength));
    if ((flags & ~(MREMAP_FIXED | MREMAP_MAYMOVE | MREMAP_DONTUNMAP)) !== 0) return -EINVAL;
    if (!isPageAligned(addr) || newLength === 0 || newLength > TASK_SIZE) return -EINVAL;
    if (!impliesNewAddr(flags)) return 0;
    if (newAddr > TASK_SIZE - newLength || !isPageAligned(newAddr)) return -EINVAL;
    if ((flags & MREMAP_MAYMOVE) === 0) return -EINVAL;
    if ((flags & MREMAP_DONTUNMAP) !== 0 && oldLength !== newLength) return -EINVAL;
    const oldEnd = (addr + oldLength) % ADDRESS_SPACE;
    if (oldEnd > newAddr && newAddr + newLength > addr) return -EINVAL;
    return this.edit.mayAdd(mm, 6) ? 0 : -ENOMEM;
  }

  /**
   * Moves every area of the range, holes between them included; one with a userfaultfd only alone
   * (remap_move, vma_multi_allowed).
   */
  private moveAll(request: Omit<Remap, 'vma'>): number {
    const { mm, start, oldPages, to } = request;
    let first = -EFAULT;
    for (const part of mm.within(start, start + oldPages)) {
      const isFirst = first < 0;
      if (isFirst && part.start > start) return -EFAULT;
      const vma = mm.find(part.start);
      if (vma === null) return -EFAULT;
      const isAlone = vma.uffd !== null;
      if (isAlone && (!isFirst || vma.end < start + oldPages)) return -EFAULT;
      const pages = part.end - part.start;
      const offset = part.start - start;
      const one = { ...request, vma, start: part.start, oldPages: pages, newPages: pages };
      const rc = this.one({ ...one, to: to + offset });
      if (rc < 0) return rc;
      if (isFirst) first = rc;
    }
    return first;
  }

  private one(asked: Remap): number {
    const remap = (asked.vma.flags & VM_HUGETLB) === 0 ? asked : inHugePages(asked);
    const rc = this.checkVma(remap);
    if (rc < 0) return rc;
    return impliesNewAddr(remap.flags) ? this.moveTo(remap) : this.resize(remap);
  }

  /** check_prep_vma. */
  private checkVma(remap: Remap): number {
    const { mm, vma, start, newPages, flags } = remap;
    if ((vma.flags & VM_SEALED) !== 0) return -EPERM;
    if ((vma.flags & VM_HUGETLB) !== 0 && !isHugeMove(remap)) return -EINVAL;
    if (newPages <= remap.oldPages && !impliesNewAddr(flags)) return 0;
    if (remap.oldPages === 0 && (vma.flags & VM_MAYSHARE) === 0) return -EINVAL;
    const isPinnedDown = (vma.flags & VM_DONTEXPAND) !== 0;
    if ((flags & MREMAP_DONTUNMAP) !== 0 && isPinnedDown) return -EINVAL;
    const oldPages = Math.min(remap.oldPages, newPages);
    if (oldPages > vma.end - start) return -EFAULT;
    if (newPages === oldPages) return 0;
    if (isPinnedDown) return -EFAULT;
    const delta = newPages - oldPages;
    if (!this.limits.mlockFutureOk(mm, vma.flags, delta)) return -EAGAIN;
    return this.limits.mayExpandVm(mm, vma.flags, delta) ? 0 : -ENOMEM;
  }

  /** To an address that is given, or with MREMAP_DONTUNMAP to any (mremap_to). */
  private moveTo(remap: Remap): number {
    const { mm, flags, newPages, to, start } = remap;
    if ((flags & MREMAP_FIXED) !== 0) {
      const rc = this.unmap(mm, to, newPages);
      if (rc < 0) return rc;
    }
    const oldPages = Math.min(remap.oldPages, newPages);
    if (oldPages < remap.oldPages) {
      const rc = this.unmap(mm, start + oldPages, remap.oldPages - oldPages);
      if (rc < 0) return rc;
    }
    const vma = mm.find(start);
    if (vma === null) return -EFAULT;
    const isKept = (flags & MREMAP_DONTUNMAP) !== 0;
    if (isKept && !this.limits.mayExpandVm(mm, vma.flags, newPages)) return -ENOMEM;
    return this.move({ ...remap, vma, oldPages });
  }

  /** In place, or anywhere with MREMAP_MAYMOVE (mremap_at). */
  private resize(remap: Remap): number {
    const { mm, vma, start, oldPages, newPages } = remap;
    if (newPages < oldPages) {
      const rc = this.unmap(mm, start + newPages, oldPages - newPages);
      return rc < 0 ? rc : addressOf(start);
    }
    if (newPages === oldPages) return addressOf(start);
    const end = start + newPages;
    const isAtEnd = oldPages > 0 && vma.end === start + oldPages;
    if (isAtEnd && mm.within(vma.end, end).length === 0 && addressOf(end) <= TASK_SIZE) {
      return this.expand(remap);
    }
    if ((remap.flags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
    return this.move({ ...remap, to: start });
  }

  private expand(remap: Remap): number {
    const { mm, vma, start, oldPages, newPages } = remap;
    if (!this.mayCharge(remap)) return -ENOMEM;
    const from = start + oldPages;
    const rc = this.edit.modify(mm, clipVma(vma, from, start + newPages));
    if (rc < 0) return rc;
    this.shadow.clear(mm.id, from, newPages - oldPages);
    this.populateNew(remap, start);
    return addressOf(start);
  }

  /** move_vma; merged pages do not come along as such (prep_move_vma). */
  private move(remap: Remap): number {
    const { mm, vma, start, oldPages, newPages, flags, task } = remap;
    const isFixed = (flags & MREMAP_FIXED) !== 0;
    const { stack } = task.rlimits;
    const to = isFixed
      ? remap.to
      : unmappedArea(mm, {
          hint: remap.to,
          pages: newPages,
          stackBytes: stack,
          mayAlign: vma.file === null,
        });
    if (to < 0 || !this.edit.mayAdd(mm, 4)) return -ENOMEM;
    const rc = this.ksm.unmerge(mm, clipVma(vma, start, start + oldPages));
    if (rc < 0) return rc;
    if (!this.mayCharge(remap)) return -ENOMEM;
    const saved = this.shadow.read(mm.id, start, oldPages);
    this.shadow.clear(mm.id, start, oldPages);
    this.shadow.clear(mm.id, to, newPages);
    const move = { from: start, pages: oldPages, to, newPages };
    this.mover.move(mm, vma, move, (flags & MREMAP_DONTUNMAP) !== 0);
    this.shadow.write(mm.id, to, saved);
    tellMoved(vma, move, flags);
    this.populateNew(remap, to);
    return addressOf(to);
  }

  /** vrm_calc_charge. */
  private mayCharge({ mm, vma, oldPages, newPages, flags }: Remap): boolean {
    if ((vma.flags & VM_ACCOUNT) === 0) return true;
    const more = (flags & MREMAP_DONTUNMAP) !== 0 ? newPages : newPages - oldPages;
    return more <= 0 || this.limits.enoughMemory(mm, more);
  }

  private populateNew({ mm, vma, oldPages, newPages }: Remap, at: number): void {
    if ((vma.flags & VM_LOCKED) === 0 || newPages <= oldPages) return;
    this.populate.rangeIgnoringErrors(mm, at + oldPages, at + newPages);
  }

  private unmap(mm: MmStruct, start: number, pages: number): number {
    const rc = this.mmap.munmap(mm, start, pages);
    if (rc === 0) this.shadow.clear(mm.id, start, pages);
    return rc;
  }
}
export const SysMremapToken = createToken<SysMremap>('SysMremap');

/** Is it known from the flags that the area moves (vrm_implies_new_addr)? */
function impliesNewAddr(flags: number): boolean {
  return (flags & (MREMAP_FIXED | MREMAP_DONTUNMAP)) !== 0;
}

/** mremap_userfaultfd_complete; the source was unmapped as well. */
function tellMoved({ uffd }: Vma, { from, to, pages }: Move, flags: number): void {
  tellUffd(uffd, { event: UFFD_EVENT_REMAP, from, to, pages });
  if ((flags & MREMAP_DONTUNMAP) !== 0) return;
  tellUffd(uffd, { event: UFFD_EVENT_UNMAP, start: from, end: from + pages });
}

/** Lengths of an area of huge pages are rounded up to such (align_hugetlb). */
function inHugePages(remap: Remap): Remap {
  const rounded = (pages: number): number => Math.ceil(pages / PTRS_PER_PTE) * PTRS_PER_PTE;
  return { ...remap, oldPages: rounded(remap.oldPages), newPages: rounded(remap.newPages) };
}

/**
 * Its addresses, asked for or not, are those of huge pages, and it does not grow, as reservations
 * could not.
 */
function isHugeMove({ start, to, oldPages, newPages }: Remap): boolean {
  return start % PTRS_PER_PTE === 0 && to % PTRS_PER_PTE === 0 && newPages <= oldPages;
}
