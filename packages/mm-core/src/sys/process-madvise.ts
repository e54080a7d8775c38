import { EACCES, EBADF, EFAULT, EINVAL, EPERM } from '../abi/errno.js';
import { MADV_COLD, MADV_COLLAPSE, MADV_PAGEOUT, MADV_WILLNEED } from '../abi/mman.js';
import { PAGE_SIZE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type ByteRange, isKnownAdvice, type SysMadvise, SysMadviseToken } from './madvise.js';
import { ADDRESS_SPACE, sizeOf, TASK_SIZE } from './user-range.js';

/** Most ranges of one call (UIO_MAXIOV). */
const RANGES_MAX = 1024;
/** Most bytes of one call; longer ranges are cut (MAX_RW_COUNT). */
const BYTES_MAX = 2 ** 31 - PAGE_SIZE;

/** What may be advised to another process (process_madvise_remote_valid). */
const REMOTE: ReadonlySet<number> = new Set([
  MADV_COLD,
  MADV_PAGEOUT,
  MADV_WILLNEED,
  MADV_COLLAPSE,
]);

/** What a program asks of process_madvise. */
export interface ProcessMadviseRequest {
  /** Task behind the pidfd; null if it is no pidfd. */
  readonly target: TaskStruct | null;
  /** Null = an address that can't be read. */
  readonly ranges: readonly ByteRange[] | null;
  /** How many there are said to be; default: as many as there are, or one that can't be read. */
  readonly vlen?: number;
  /** MADV_* */
  readonly advice: number;
  readonly flags: number;
}

/** process_madvise(2): checks as in mm/madvise.c. */
@injectable()
export class SysProcessMadvise {
  constructor(@inject(SysMadviseToken) private readonly madvise: SysMadvise) {}

  /** @returns bytes that were advised, or -errno if it failed at the first range */
  processMadvise(task: TaskStruct, request: ProcessMadviseRequest): number {
    const { target, advice } = request;
    if (request.flags !== 0) return -EINVAL;
    const ranges = importRanges(request);
    if (typeof ranges === 'number') return ranges;
    if (target === null) return -EBADF;
    if (target.mm !== task.mm && !mayRead(task, target)) return -EACCES;
    if (!isKnownAdvice(advice)) return -EINVAL;
    if (target.mm !== task.mm) {
      if (!REMOTE.has(advice)) return -EINVAL;
      if (!task.creds.capSysNice) return -EPERM;
    }
    return this.advise(task, target, ranges, advice);
  }

  /** vector_madvise. */
  private advise(
    task: TaskStruct,
    target: TaskStruct,
    ranges: readonly ByteRange[],
    advice: number,
  ): number {
    let done = 0;
    for (const range of ranges) {
      const rc = this.madvise.advise(task, target.mm, range, advice);
      if (rc < 0) return done > 0 ? done : rc;
      done += range.length;
    }
    return done;
  }
}
export const SysProcessMadviseToken = createToken<SysProcessMadvise>('SysProcessMadvise');

/** import_iovec: every length is looked at before any address. @returns ranges, or -errno */
function importRanges({ ranges, vlen }: ProcessMadviseRequest): readonly ByteRange[] | number {
  const count = vlen ?? ranges?.length ?? 1;
  if (count > RANGES_MAX) return -EINVAL;
  if (count === 0) return [];
  if (ranges === null) return -EFAULT;
  if (ranges.some(({ length }) => sizeOf(length) >= ADDRESS_SPACE / 2)) return -EINVAL;
  const isAlone = ranges.length === 1;
  const cut: ByteRange[] = [];
  let left = BYTES_MAX;
  for (const { addr, length } of ranges) {
    const checked = isAlone ? Math.min(length, BYTES_MAX) : length;
    if (addr < 0 || addr + checked > TASK_SIZE) return -EFAULT;
    cut.push({ addr, length: Math.min(length, left) });
    left -= Math.min(length, left);
  }
  return cut;
}

/** mm_access(PTRACE_MODE_READ): the same user, or the capability. */
function mayRead(task: TaskStruct, target: TaskStruct): boolean {
  return task.creds.uid === target.creds.uid || task.creds.capSysPtrace;
}
