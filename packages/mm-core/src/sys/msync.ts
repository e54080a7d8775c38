import { EBUSY, EINVAL, ENOMEM } from '../abi/errno.js';
import { MS_ASYNC, MS_INVALIDATE, MS_SYNC, VM_LOCKED, VM_SHARED } from '../abi/mman.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Filemap, FilemapToken } from '../mm/filemap.js';
import { isPageAligned, type PageRange, pageRange } from './user-range.js';

/** msync(2): checks as in mm/msync.c. Simplified: MS_SYNC writes the whole file. */
@injectable()
export class SysMsync {
  constructor(@inject(FilemapToken) private readonly filemap: Filemap) {}

  /** @param flags MS_* @returns 0; -EINVAL; -ENOMEM if there were holes; -EBUSY for locked areas */
  msync(task: TaskStruct, addr: number, length: number, flags: number): number {
    const both = MS_ASYNC | MS_SYNC;
    if ((flags & ~(both | MS_INVALIDATE)) !== 0 || !isPageAligned(addr)) return -EINVAL;
    if ((flags & both) === both) return -EINVAL;
    const range = pageRange(addr, length);
    if (range.end < range.start) return -ENOMEM;
    return range.end === range.start ? 0 : this.areas(task, range, flags);
  }

  private areas(task: TaskStruct, { start, end }: PageRange, flags: number): number {
    let at = start;
    let holes = 0;
    for (const part of task.mm.within(start, end)) {
      if (part.start > at) {
        if (flags === MS_ASYNC) return -ENOMEM;
        holes = -ENOMEM;
      }
      if ((flags & MS_INVALIDATE) !== 0 && (part.flags & VM_LOCKED) !== 0) return -EBUSY;
      const write = (flags & MS_SYNC) !== 0 && (part.flags & VM_SHARED) !== 0;
      if (write && part.file !== null) this.filemap.sync(part.file);
      at = part.end;
    }
    return at < end ? -ENOMEM : holes;
  }
}
export const SysMsyncToken = createToken<SysMsync>('SysMsync');
