import { EINVAL, ENOMEM } from '../abi/errno.js';
import { VM_SEALED } from '../abi/mman.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type VmaEdit, VmaEditToken } from '../mm/vma-edit.js';
import { isPageAligned, pageRange } from './user-range.js';

/** mseal(2): the areas can't be unmapped, moved or changed any more (mm/mseal.c). */
@injectable()
export class SysMseal {
  constructor(@inject(VmaEditToken) private readonly edit: VmaEdit) {}

  /** @returns 0; -EINVAL; -ENOMEM if anything of the range is not mapped: nothing is sealed then */
  mseal(task: TaskStruct, addr: number, length: number, flags: number): number {
    if (flags !== 0 || !isPageAligned(addr)) return -EINVAL;
    const { start, end, pages } = pageRange(addr, length);
    if ((length !== 0 && pages === 0) || end < start) return -EINVAL;
    if (end === start) return 0;
    if (!task.mm.covers(start, end)) return -ENOMEM;
    for (const part of task.mm.within(start, end)) {
      const rc = this.edit.modifyFlags(task.mm, part, part.flags | VM_SEALED);
      if (rc < 0) return rc;
    }
    return 0;
  }
}
export const SysMsealToken = createToken<SysMseal>('SysMseal');
