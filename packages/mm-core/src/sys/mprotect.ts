import { EACCES, EINVAL, ENOMEM, EPERM } from '../abi/errno.js';
import {
  PROT_EXEC,
  PROT_GROWSDOWN,
  PROT_GROWSUP,
  PROT_READ,
  PROT_SEM,
  PROT_WRITE,
  VM_ACCESS_FLAGS,
  VM_ACCOUNT,
  VM_GROWSDOWN,
  VM_HUGETLB,
  VM_LOCKED,
  VM_NORESERVE,
  VM_SEALED,
  VM_SHARED,
  VM_WRITE,
} from '../abi/mman.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { clipVma, type MmStruct, type Vma } from '../mem/vma.js';
import { type Mprotect, MprotectToken, vmFlags } from '../mm/mprotect.js';
import { type Populate, PopulateToken } from '../mm/populate.js';
import { type VmLimits, VmLimitsToken } from '../mm/vm-limits.js';
import { type VmaEdit, VmaEditToken } from '../mm/vma-edit.js';
import { isPageAligned, pageRange } from './user-range.js';

const GROWS = PROT_GROWSDOWN | PROT_GROWSUP;
const PROT_KNOWN = PROT_READ | PROT_WRITE | PROT_EXEC | PROT_SEM;
/** An area with any of these is charged already, or never. */
const NEVER_CHARGED = VM_ACCOUNT | VM_WRITE | VM_HUGETLB | VM_SHARED | VM_NORESERVE;

/** mprotect(2): checks as in mm/mprotect.c:do_mprotect_pkey. Simplified: no protection keys. */
@injectable()
export class SysMprotect {
  constructor(
    @inject(MprotectToken) private readonly protection: Mprotect,
    @inject(PopulateToken) private readonly populate: Populate,
    @inject(VmaEditToken) private readonly edit: VmaEdit,
    @inject(VmLimitsToken) private readonly limits: VmLimits,
  ) {}

  /**
   * @param prot PROT_*
   * @returns 0; -EINVAL; -ENOMEM for a hole, a limit or too many areas; -EACCES for what the
   *   mapping never allowed; -EPERM for sealed areas. What lies before the area that failed is
   *   changed.
   */
  mprotect(task: TaskStruct, addr: number, length: number, prot: number): number {
    if ((prot & GROWS) === GROWS || !isPageAligned(addr)) return -EINVAL;
    if (length === 0) return 0;
    const range = pageRange(addr, length);
    if (range.end <= range.start) return -ENOMEM;
    if ((prot & ~GROWS & ~PROT_KNOWN) !== 0) return -EINVAL;
    const first = task.mm.within(range.start, range.end)[0];
    if (first === undefined) return -ENOMEM;
    if ((prot & PROT_GROWSDOWN) !== 0) return this.growsDown(task.mm, first, range.end, prot);
    if (first.start > range.start) return -ENOMEM;
    if ((prot & PROT_GROWSUP) !== 0) return -EINVAL;
    return this.areas(task.mm, range.start, range.end, vmFlags(prot));
  }

  /** PROT_GROWSDOWN: from the beginning of the stack that the range lies in. */
  private growsDown(mm: MmStruct, first: Vma, end: number, prot: number): number {
    if ((first.flags & VM_GROWSDOWN) === 0) return -EINVAL;
    const start = mm.find(first.start)?.start ?? first.start;
    return this.areas(mm, start, end, vmFlags(prot));
  }

  private areas(mm: MmStruct, start: number, end: number, access: number): number {
    let at = start;
    for (const part of mm.within(start, end)) {
      if (part.start > at) return -ENOMEM;
      if ((access & ~(part.flags >> 4)) !== 0) return -EACCES;
      const rc = this.fixup(mm, part, (part.flags & ~VM_ACCESS_FLAGS) | access);
      if (rc < 0) return rc;
      at = part.end;
    }
    return at < end ? -ENOMEM : 0;
  }

  /** One area or part of one (mprotect_fixup). */
  private fixup(mm: MmStruct, part: Vma, flags: number): number {
    if ((part.flags & VM_SEALED) !== 0) return -EPERM;
    if (flags === part.flags) return 0;
    const accounted = this.account(mm, part, flags);
    if (accounted === 'too much') return -ENOMEM;
    const rc = this.edit.modifyFlags(mm, part, accounted);
    if (rc < 0) return rc;
    const now = mm.find(part.start);
    if (now === null) return -ENOMEM;
    const changed = clipVma(now, part.start, part.end);
    this.protection.changeRange(mm, changed);
    const wasLockedRo = (part.flags & (VM_WRITE | VM_SHARED | VM_LOCKED)) === VM_LOCKED;
    if (wasLockedRo && (flags & VM_WRITE) !== 0) this.populate.vma(mm, changed);
    return 0;
  }

  /**
   * Flags with or without the charge: what becomes writable is charged; what stops being so before
   * it had a page is not any more.
   */
  private account(mm: MmStruct, part: Vma, flags: number): number | 'too much' {
    const pages = part.end - part.start;
    if ((flags & VM_WRITE) === 0) {
      const isUntouched = part.file === null && part.anonVma === null;
      return isUntouched ? flags & ~VM_ACCOUNT : flags;
    }
    const mayGrow = this.limits.mayExpandVm(mm, flags, pages);
    if (!mayGrow && this.limits.mayExpandVm(mm, part.flags, pages)) return 'too much';
    if ((part.flags & NEVER_CHARGED) !== 0) return flags;
    return this.limits.enoughMemory(mm, pages) ? flags | VM_ACCOUNT : 'too much';
  }
}
export const SysMprotectToken = createToken<SysMprotect>('SysMprotect');
