import { VM_ACCOUNT, VM_LOCKED } from '../abi/mman.js';
import { PAGE_SIZE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { dataVm, isDataMapping, lockedVm, totalVm } from '../mem/vm-totals.js';
import type { MmStruct } from '../mem/vma.js';
import { type Mms, MmsToken } from './mms.js';
import { SwapBackend } from './swap-backend.js';
import { Sysctl } from './sysctl.js';
import { type Work, WorkToken } from './work.js';

/** vm.overcommit_memory: guess, always, never (include/uapi/linux/mman.h). */
export const OVERCOMMIT_GUESS = 0;
export const OVERCOMMIT_ALWAYS = 1;
export const OVERCOMMIT_NEVER = 2;

/** Pages that the strict mode keeps at most for the superuser (8 MiB) and for a user (128 MiB). */
const ADMIN_RESERVE_MAX = 2048;
const USER_RESERVE_MAX = 32768;

/**
 * How much address space, locked memory and commit the current task may have. A kernel thread may
 * have everything.
 */
@injectable()
export class VmLimits {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(SwapBackend) private readonly swapBackend: SwapBackend,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** RLIMIT_AS and RLIMIT_DATA (mm/vma.c:may_expand_vm). */
  mayExpandVm(mm: MmStruct, flags: number, pages: number): boolean {
    const { current } = this.work;
    if (current === null) return true;
    const { as, data } = current.rlimits;
    if (as !== Infinity && totalVm(mm) + pages > limitPages(as)) return false;
    if (data === Infinity || !isDataMapping(flags)) return true;
    return dataVm(mm) + pages <= limitPages(data);
  }

  /** RLIMIT_MEMLOCK for more memory of an area with these flags (mm/mmap.c:mlock_future_ok). */
  mlockFutureOk(mm: MmStruct, flags: number, pages: number): boolean {
    const { current } = this.work;
    if ((flags & VM_LOCKED) === 0 || current === null || current.creds.capIpcLock) return true;
    return lockedVm(mm) + pages <= limitPages(current.rlimits.memlock);
  }

  /** May anything be locked at all (mm/mlock.c:can_do_mlock)? */
  canDoMlock(task: TaskStruct): boolean {
    return task.rlimits.memlock !== 0 || task.creds.capIpcLock;
  }

  /** Is there room for `pages` more to be charged (mm/util.c:__vm_enough_memory)? */
  enoughMemory(mm: MmStruct, pages: number): boolean {
    const mode = this.sysctl.overcommit_memory;
    if (mode === OVERCOMMIT_ALWAYS) return true;
    const ram = this.totalRam();
    const swap = this.swapBackend.slots;
    if (mode === OVERCOMMIT_GUESS) return pages <= ram + swap;
    let allowed = Math.floor((ram * this.sysctl.overcommit_ratio) / 100) + swap;
    if (this.work.current?.creds.capSysAdmin === false) {
      allowed -= Math.min(Math.floor(ram / 32), ADMIN_RESERVE_MAX);
    }
    const userReserve = Math.min(Math.floor(ram / 32), USER_RESERVE_MAX);
    allowed -= Math.min(Math.floor(totalVm(mm) / 32), userReserve);
    return this.committed() + pages < allowed;
  }

  /** Pages that areas are charged for (vm_committed_as). Simplified: recounted when asked. */
  committed(): number {
    let pages = 0;
    for (const mm of this.mms.all()) {
      for (const vma of mm.vmas) {
        if ((vma.flags & VM_ACCOUNT) !== 0) pages += vma.end - vma.start;
      }
    }
    return pages;
  }

  private totalRam(): number {
    return this.nodes.zones.reduce((pages, zone) => pages + zone.managedPages, 0);
  }
}
export const VmLimitsToken = createToken<VmLimits>('VmLimits');

/** A limit in bytes as whole pages. */
export function limitPages(bytes: number): number {
  return Math.floor(bytes / PAGE_SIZE);
}
