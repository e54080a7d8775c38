import { EAGAIN, EFAULT, EINVAL, ENOMEM, EPERM } from '../abi/errno.js';
import {
  MCL_CURRENT,
  MCL_FUTURE,
  MCL_ONFAULT,
  MLOCK_ONFAULT,
  VM_LOCKED,
  VM_LOCKED_MASK,
  VM_LOCKONFAULT,
} from '../abi/mman.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { lockedVm, totalVm } from '../mem/vm-totals.js';
import type { MmStruct } from '../mem/vma.js';
import { type Mlock, MlockToken } from '../mm/mlock.js';
import { type Populate, PopulateToken } from '../mm/populate.js';
import { limitPages, type VmLimits, VmLimitsToken } from '../mm/vm-limits.js';
import { type PageRange, pageRangeAround } from './user-range.js';

/** mlock(2), mlock2(2), munlock(2), mlockall(2), munlockall(2): checks as in mm/mlock.c. */
@injectable()
export class SysMlock {
  constructor(
    @inject(MlockToken) private readonly locks: Mlock,
    @inject(PopulateToken) private readonly populate: Populate,
    @inject(VmLimitsToken) private readonly limits: VmLimits,
  ) {}

  mlock(task: TaskStruct, addr: number, length: number): number {
    return this.doMlock(task, pageRangeAround(addr, length), VM_LOCKED);
  }

  /** @param flags MLOCK_ONFAULT or 0 */
  mlock2(task: TaskStruct, addr: number, length: number, flags: number): number {
    if ((flags & ~MLOCK_ONFAULT) !== 0) return -EINVAL;
    const onFault = (flags & MLOCK_ONFAULT) !== 0 ? VM_LOCKONFAULT : 0;
    return this.doMlock(task, pageRangeAround(addr, length), VM_LOCKED | onFault);
  }

  munlock(task: TaskStruct, addr: number, length: number): number {
    return this.applyRange(task.mm, pageRangeAround(addr, length), 0);
  }

  /** @param flags MCL_* */
  mlockall(task: TaskStruct, flags: number): number {
    const unknown = flags & ~(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
    if (flags === 0 || unknown !== 0 || flags === MCL_ONFAULT) return -EINVAL;
    if (!this.limits.canDoMlock(task)) return -EPERM;
    const isCurrent = (flags & MCL_CURRENT) !== 0;
    const limit = limitPages(task.rlimits.memlock);
    if (isCurrent && totalVm(task.mm) > limit && !task.creds.capIpcLock) return -ENOMEM;
    this.applyAll(task.mm, flags);
    if (isCurrent) this.populate.rangeIgnoringErrors(task.mm, 0, Infinity);
    return 0;
  }

  munlockall(task: TaskStruct): number {
    this.applyAll(task.mm, 0);
    return 0;
  }

  private doMlock(task: TaskStruct, range: PageRange, lockFlags: number): number {
    const { mm } = task;
    if (!this.limits.canDoMlock(task)) return -EPERM;
    const { pages } = range;
    const limit = limitPages(task.rlimits.memlock);
    if (!task.creds.capIpcLock && lockedVm(mm) + pages > limit) {
      const known = lockedIn(mm, range.start, range.end);
      if (lockedVm(mm) + pages - known > limit) return -ENOMEM;
    }
    const rc = this.applyRange(mm, range, lockFlags);
    if (rc < 0 || pages === 0) return rc;
    return posixError(this.populate.range(mm, range.start, range.end));
  }

  private applyRange(mm: MmStruct, { start, end }: PageRange, lockFlags: number): number {
    if (end < start) return -EINVAL;
    return end === start ? 0 : this.locks.apply(mm, start, end, lockFlags);
  }

  /** apply_mlockall_flags. */
  private applyAll(mm: MmStruct, flags: number): void {
    const onFault = (flags & MCL_ONFAULT) !== 0 ? VM_LOCKONFAULT : 0;
    mm.defFlags &= ~VM_LOCKED_MASK;
    if ((flags & MCL_FUTURE) !== 0) mm.defFlags |= VM_LOCKED | onFault;
    const isCurrent = (flags & MCL_CURRENT) !== 0;
    if ((flags & MCL_FUTURE) !== 0 && !isCurrent) return;
    this.locks.applyAll(mm, isCurrent ? VM_LOCKED | onFault : 0);
  }
}
export const SysMlockToken = createToken<SysMlock>('SysMlock');

/** Pages of a range that are locked already (count_mm_mlocked_page_nr). */
function lockedIn(mm: MmStruct, start: number, end: number): number {
  let pages = 0;
  for (const part of mm.within(start, end)) {
    if ((part.flags & VM_LOCKED) !== 0) pages += part.end - part.start;
  }
  return pages;
}

/** What mlock says of an error in populating (__mlock_posix_error_return). */
function posixError(rc: number): number {
  if (rc === -EFAULT) return -ENOMEM;
  return rc === -ENOMEM ? -EAGAIN : rc;
}
