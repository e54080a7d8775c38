import { EACCES, EAGAIN, EINVAL, ENOMEM, EPERM } from '../abi/errno.js';
import {
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_DONTFORK,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_FREE,
  MADV_GUARD_INSTALL,
  MADV_GUARD_REMOVE,
  MADV_HUGEPAGE,
  MADV_HWPOISON,
  MADV_MERGEABLE,
  MADV_PAGEOUT,
  MADV_POPULATE_READ,
  MADV_POPULATE_WRITE,
  MADV_REMOVE,
  MADV_SOFT_OFFLINE,
  MADV_UNMERGEABLE,
  MADV_WILLNEED,
  MADV_WIPEONFORK,
  VM_HUGETLB,
  VM_LOCKED,
  VM_MAYWRITE,
  VM_MERGEABLE,
  VM_SEALED,
  VM_SHARED,
  VM_SPECIAL,
  VM_WRITE,
} from '../abi/mman.js';
import { UFFD_EVENT_REMOVE } from '../abi/userfaultfd.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { tellUffd } from '../mem/userfaultfd.js';
import { type MmStruct, pageIndex, type Vma } from '../mem/vma.js';
import { type Collapse, CollapseToken } from '../mm/collapse.js';
import { type InjectError, InjectErrorToken } from '../mm/inject-error.js';
import { type Ksm, KsmToken } from '../mm/ksm.js';
import { type MadviseCold, MadviseColdToken } from '../mm/madvise-cold.js';
import { type MadviseFree, MadviseFreeToken } from '../mm/madvise-free.js';
import { type MadviseGuard, MadviseGuardToken } from '../mm/madvise-guard.js';
import { type MadviseWillneed, MadviseWillneedToken } from '../mm/madvise-willneed.js';
import { type Populate, PopulateToken } from '../mm/populate.js';
import { type ThpSettings, ThpSettingsToken } from '../mm/thp-settings.js';
import { type Truncate, TruncateToken } from '../mm/truncate.js';
import { type VmaEdit, VmaEditToken } from '../mm/vma-edit.js';
import { type Zap, ZapToken } from '../mm/zap.js';
import { advisedFlags } from './madvise-flags.js';
import { type SyscallShadow, SyscallShadowToken } from './syscall-shadow.js';
import { isPageAligned, type PageRange, pageRange } from './user-range.js';

/** madvise(2): checks and order as in mm/madvise.c:do_madvise. */
@injectable()
export class SysMadvise {
  constructor(
    @inject(MadviseColdToken) private readonly cold: MadviseCold,
    @inject(MadviseFreeToken) private readonly lazyfree: MadviseFree,
    @inject(MadviseGuardToken) private readonly guard: MadviseGuard,
    @inject(MadviseWillneedToken) private readonly readahead: MadviseWillneed,
    @inject(CollapseToken) private readonly collapse: Collapse,
    @inject(ThpSettingsToken) private readonly thp: ThpSettings,
    @inject(InjectErrorToken) private readonly injectError: InjectError,
    @inject(KsmToken) private readonly ksm: Ksm,
    @inject(PopulateToken) private readonly populate: Populate,
    @inject(TruncateToken) private readonly truncate: Truncate,
    @inject(ZapToken) private readonly zap: Zap,
    @inject(VmaEditToken) private readonly edit: VmaEdit,
    @inject(SyscallShadowToken) private readonly shadow: SyscallShadow,
  ) {}

  /**
   * @param advice MADV_*
   * @returns 0; -EINVAL; -EPERM; -ENOMEM if there were holes, the rest is done all the same; what
   *   an area says ends the call
   */
  madvise(task: TaskStruct, addr: number, length: number, advice: number): number {
    return this.advise(task, task.mm, { addr, length }, advice);
  }

  /** The same for another address space, on behalf of `task` (process_madvise). */
  advise(task: TaskStruct, mm: MmStruct, { addr, length }: ByteRange, advice: number): number {
    if (!isKnownAdvice(advice) || !isPageAligned(addr)) return -EINVAL;
    const range = pageRange(addr, length);
    if ((length !== 0 && range.pages === 0) || range.end < range.start) return -EINVAL;
    if (range.end === range.start) return 0;
    if (isInjection(advice)) return this.injectError.run(task, range.start, range.end, advice);
    if (advice === MADV_POPULATE_READ || advice === MADV_POPULATE_WRITE) {
      return this.populate.faultIn(mm, range.start, range.end, advice === MADV_POPULATE_WRITE);
    }
    return this.walk(mm, range, advice);
  }

  /** madvise_walk_vmas. */
  private walk(mm: MmStruct, { start, end }: PageRange, advice: number): number {
    let at = start;
    let holes = 0;
    for (const part of mm.within(start, end)) {
      if (part.start > at) holes = -ENOMEM;
      const rc = this.area(mm, part, advice);
      if (rc < 0) return rc;
      at = part.end;
    }
    return at < end ? -ENOMEM : holes;
  }

  /** madvise_vma_behavior. */
  private area(mm: MmStruct, part: Vma, advice: number): number {
    if (!mayModify(part, advice)) return -EPERM;
    const advised = advisedFlags(part, advice);
    if (advised === null) return this.act(mm, part, advice);
    if (advised.rc < 0) return advised.rc;
    if (advice === MADV_UNMERGEABLE) {
      const rc = this.ksm.unmerge(mm, part);
      if (rc < 0) return rc === -ENOMEM ? -EAGAIN : rc;
    }
    if (advice === MADV_MERGEABLE && (advised.flags & VM_MERGEABLE) !== 0) this.ksm.enter(mm);
    if (advice === MADV_HUGEPAGE) this.thp.onScannable(mm, { ...part, flags: advised.flags });
    const rc = this.edit.modifyFlags(mm, part, advised.flags);
    return rc === -ENOMEM ? -EAGAIN : rc;
  }

  private act(mm: MmStruct, part: Vma, advice: number): number {
    switch (advice) {
      case MADV_REMOVE:
        return this.remove(part);
      case MADV_WILLNEED:
        this.readahead.willneed(mm, part);
        return 0;
      case MADV_COLD:
      case MADV_PAGEOUT:
        if ((part.flags & (VM_LOCKED | VM_HUGETLB)) !== 0) return -EINVAL;
        this.cold.coldOrPageout(mm, part, advice);
        return 0;
      case MADV_DONTNEED:
      case MADV_DONTNEED_LOCKED:
        return this.dontneed(mm, part, advice);
      case MADV_FREE:
        return this.free(mm, part);
      case MADV_COLLAPSE:
        return this.collapse.madvise(mm, part);
      case MADV_GUARD_INSTALL:
        return this.installGuard(mm, part);
      case MADV_GUARD_REMOVE:
        if ((part.flags & (VM_SPECIAL | VM_HUGETLB)) !== 0) return -EINVAL;
        this.guard.remove(mm, part);
        return 0;
      default:
        return -EINVAL;
    }
  }

  /** madvise_remove: a hole in the file. */
  private remove(part: Vma): number {
    const { flags, file } = part;
    if ((flags & VM_LOCKED) !== 0 || file === null) return -EINVAL;
    const shared = VM_SHARED | VM_MAYWRITE;
    if ((flags & shared) !== shared) return -EACCES;
    tellRemoved(part, part.end);
    this.truncate.punchHole(file, pageIndex(part, part.start), pageIndex(part, part.end));
    return 0;
  }

  private dontneed(mm: MmStruct, part: Vma, advice: number): number {
    const forbidden = advice === MADV_DONTNEED ? VM_LOCKED : 0;
    if ((part.flags & forbidden) !== 0) return -EINVAL;
    if ((part.flags & VM_HUGETLB) !== 0) return this.dontneedHuge(mm, part);
    tellRemoved(part, part.end);
    this.zap.discard(mm, part.start, part.end);
    this.shadow.clear(mm.id, part.start, part.end - part.start);
    return 0;
  }

  /** Whole pages of the pool only: the end is rounded down, the start must be a page's. */
  private dontneedHuge(mm: MmStruct, part: Vma): number {
    if (part.start % PTRS_PER_PTE !== 0) return -EINVAL;
    const end = part.end - (part.end % PTRS_PER_PTE);
    if (end <= part.start) return 0;
    tellRemoved(part, end);
    this.zap.discard(mm, part.start, end);
    this.shadow.clear(mm.id, part.start, end - part.start);
    return 0;
  }

  private free(mm: MmStruct, part: Vma): number {
    const isLocked = (part.flags & (VM_LOCKED | VM_HUGETLB)) !== 0;
    if (isLocked) return -EINVAL;
    tellRemoved(part, part.end);
    if (part.file !== null) return -EINVAL;
    for (const vpn of this.lazyfree.free(mm, part)) this.shadow.clear(mm.id, vpn, 1);
    return 0;
  }

  private installGuard(mm: MmStruct, part: Vma): number {
    if ((part.flags & (VM_SPECIAL | VM_HUGETLB | VM_LOCKED)) !== 0) return -EINVAL;
    this.guard.install(mm, part);
    this.shadow.clear(mm.id, part.start, part.end - part.start);
    return 0;
  }
}
export const SysMadviseToken = createToken<SysMadvise>('SysMadvise');

/**
 * What goes on in an area's userfaultfd is told before it is done (userfaultfd_remove). Simplified:
 * the area is not looked up again, should the reader have changed it.
 */
function tellRemoved({ uffd, start }: Vma, end: number): void {
  tellUffd(uffd, { event: UFFD_EVENT_REMOVE, start, end });
}

/** A range as a program gives it. */
export interface ByteRange {
  readonly addr: number;
  readonly length: number;
}

/** Is there such an advice in this kernel's configuration (madvise_behavior_valid)? */
export function isKnownAdvice(advice: number): boolean {
  if (advice >= 0 && advice <= MADV_WILLNEED) return true;
  if (advice === MADV_DONTNEED || isInjection(advice)) return true;
  if (advice >= MADV_FREE && advice <= MADV_COLLAPSE) return true;
  return advice === MADV_GUARD_INSTALL || advice === MADV_GUARD_REMOVE;
}

function isInjection(advice: number): boolean {
  return advice === MADV_HWPOISON || advice === MADV_SOFT_OFFLINE;
}

/** Advices that throw contents away, now or in the child (is_discard). */
const DISCARDS: ReadonlySet<number> = new Set([
  MADV_FREE,
  MADV_DONTNEED,
  MADV_DONTNEED_LOCKED,
  MADV_REMOVE,
  MADV_DONTFORK,
  MADV_WIPEONFORK,
  MADV_GUARD_INSTALL,
]);

/** Sealed anonymous memory that can't be written loses nothing either (can_madvise_modify). */
function mayModify({ flags, file }: Vma, advice: number): boolean {
  if ((flags & VM_SEALED) === 0 || !DISCARDS.has(advice)) return true;
  return file !== null || (flags & VM_WRITE) !== 0;
}
