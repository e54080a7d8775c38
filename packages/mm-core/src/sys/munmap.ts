import { EINVAL } from '../abi/errno.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Mmap, MmapToken } from '../mm/mmap.js';
import { type SyscallShadow, SyscallShadowToken } from './syscall-shadow.js';
import { isPageAligned, pageAlign, pagesOf, sizeOf, TASK_SIZE, vpnOf } from './user-range.js';

/** munmap(2): checks as in mm/vma.c:do_vmi_munmap. */
@injectable()
export class SysMunmap {
  constructor(
    @inject(MmapToken) private readonly mmap: Mmap,
    @inject(SyscallShadowToken) private readonly shadow: SyscallShadow,
  ) {}

  /**
   * @param addr first byte @param length bytes, rounded up to pages
   * @returns 0 (also where nothing is mapped), -EINVAL, -EPERM or -ENOMEM
   */
  munmap(task: TaskStruct, addr: number, length: number): number {
    const size = pageAlign(sizeOf(length));
    if (!isPageAligned(addr) || addr > TASK_SIZE || size > TASK_SIZE - addr) return -EINVAL;
    if (size === 0) return -EINVAL;
    const rc = this.mmap.munmap(task.mm, vpnOf(addr), pagesOf(size));
    if (rc === 0) this.shadow.clear(task.mm.id, vpnOf(addr), pagesOf(size));
    return rc;
  }
}
export const SysMunmapToken = createToken<SysMunmap>('SysMunmap');
