import { EINVAL } from '../abi/errno.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Mmap, MmapToken } from '../mm/mmap.js';
import { isPageAligned, pageAlign, pagesOf, TASK_SIZE, vpnOf } from './user-range.js';

/** munmap(2): checks as in mm/vma.c:do_vmi_munmap. */
@injectable()
export class SysMunmap {
  constructor(@inject(MmapToken) private readonly mmap: Mmap) {}

  /**
   * @param addr first byte @param length bytes, rounded up to pages
   * @returns 0 (also where nothing is mapped), -EINVAL or -ENOMEM
   */
  munmap(task: TaskStruct, addr: number, length: number): number {
    const size = pageAlign(length);
    if (!isPageAligned(addr) || addr > TASK_SIZE || size > TASK_SIZE - addr) return -EINVAL;
    if (size === 0) return -EINVAL;
    return this.mmap.munmap(task.mm, vpnOf(addr), pagesOf(size));
  }
}
export const SysMunmapToken = createToken<SysMunmap>('SysMunmap');
