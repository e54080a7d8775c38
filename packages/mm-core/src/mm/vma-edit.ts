import { EINVAL, ENOMEM } from '../abi/errno.js';
import { VM_HUGETLB } from '../abi/mman.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { Sysctl } from './sysctl.js';

/** Changes of areas that may split them (mm/vma.c:vma_modify, split_vma). */
@injectable()
export class VmaEdit {
  constructor(@inject(Sysctl) private readonly sysctl: Sysctl) {}

  /**
   * Replaces what stands in the range of `fresh` by it, splitting and merging at the edges.
   * @returns 0; -EINVAL for a cut through a page of the pool, after a split at the
   *   start; -ENOMEM if a split would need more
   *   areas than an address space may have
   */
  modify(mm: MmStruct, fresh: Vma): number {
    if (cutsHugePage(fresh)) {
      if (fresh.start % PTRS_PER_PTE === 0) mm.splitAt(fresh.start);
      return -EINVAL;
    }
    const before = mm.vmas;
    mm.replace(fresh.start, fresh.end, [fresh]);
    const isMore = mm.vmas.length > before.length;
    if (!isMore || mm.vmas.length <= this.sysctl.max_map_count) return 0;
    mm.vmas = before;
    return -ENOMEM;
  }

  /** Gives a part of an area other flags; nothing happens if it has them already. */
  modifyFlags(mm: MmStruct, part: Vma, flags: number): number {
    return flags === part.flags ? 0 : this.modify(mm, { ...part, flags });
  }

  /** May the areas become one more by a cut inside one of them (the check in munmap)? */
  maySplit(mm: MmStruct): boolean {
    return mm.vmas.length < this.sysctl.max_map_count;
  }

  /** May a system call that makes an area begin? */
  mayAdd(mm: MmStruct, more = 0): boolean {
    return mm.vmas.length + more <= this.sysctl.max_map_count;
  }
}
/** Areas of the hugetlb pool end between huge pages (hugetlb_vm_op_split). */
function cutsHugePage({ flags, start, end }: Vma): boolean {
  const isCut = start % PTRS_PER_PTE !== 0 || end % PTRS_PER_PTE !== 0;
  return (flags & VM_HUGETLB) !== 0 && isCut;
}

export const VmaEditToken = createToken<VmaEdit>('VmaEdit');
