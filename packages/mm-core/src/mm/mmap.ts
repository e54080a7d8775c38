import { EINVAL, ENOMEM, EPERM } from '../abi/errno.js';
import {
  VM_ACCOUNT,
  VM_HUGETLB,
  VM_LOCKED_MASK,
  VM_NORESERVE,
  VM_SEALED,
  VM_SHARED,
  VM_SOFTDIRTY,
  VM_WRITE,
} from '../abi/mman.js';
import { UFFD_EVENT_UNMAP } from '../abi/userfaultfd.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { ksmVmaFlags } from '../mem/ksm-vma.js';
import { tellUffd } from '../mem/userfaultfd.js';
import { anonymousVma, type MmStruct, type Vma } from '../mem/vma.js';
import { type EvictInode, EvictInodeToken } from './evict-inode.js';
import { type HugetlbReserve, HugetlbReserveToken } from './hugetlb-reserve.js';
import { type Memcontrol, MemcontrolToken } from './memcontrol.js';
import { supportsMlock } from './mlock.js';
import { TASK_SIZE_PAGES } from './unmapped-area.js';
import { type VmLimits, VmLimitsToken } from './vm-limits.js';
import { type VmaEdit, VmaEditToken } from './vma-edit.js';
import { type Zap, ZapToken } from './zap.js';

/** Makes and removes areas (mm/vma.c). Ranges are virtual pages; results 0 or -errno. */
@injectable()
export class Mmap {
  constructor(
    @inject(ZapToken) private readonly zap: Zap,
    @inject(EvictInodeToken) private readonly evict: EvictInode,
    @inject(VmaEditToken) private readonly edit: VmaEdit,
    @inject(VmLimitsToken) private readonly limits: VmLimits,
    @inject(MemcontrolToken) private readonly memcontrol: Memcontrol,
    @inject(HugetlbReserveToken) private readonly hugetlb: HugetlbReserve,
  ) {}

  /**
   * An area at a fixed place, without any check of limits: unmaps what is there first.
   * @param backing the file and its page index at `start`; default private anonymous memory
   */
  mmap(
    mm: MmStruct,
    start: number,
    pages: number,
    flags: number,
    backing: FileBacking = { file: null, pgoff: start },
  ): number {
    const rc = checkRange(start, pages);
    if (rc < 0) return rc;
    this.install(mm, { ...anonymousVma(start, start + pages, flags), ...backing });
    return 0;
  }

  /**
   * An area of a system call (mmap_region).
   * @returns 0; -ENOMEM over a limit; -EPERM where something sealed stands; -EINVAL inside a huge
   *   page
   */
  region(mm: MmStruct, area: Vma): number {
    const rc = this.checkUnmap(mm, area.start, area.end);
    if (rc < 0) return rc;
    const pages = area.end - area.start;
    const replaced = mm.within(area.start, area.end);
    if (!this.limits.mayExpandVm(mm, area.flags, pages - pagesOf(replaced))) return -ENOMEM;
    const isCharged = isAccountable(area.flags);
    if (isCharged) {
      const known = replaced.filter(({ flags }) => (flags & VM_ACCOUNT) !== 0);
      const more = pages - pagesOf(known);
      if (more > 0 && !this.limits.enoughMemory(mm, more)) return -ENOMEM;
    }
    this.memcontrol.chargeObjects(mm);
    const locks = supportsMlock(area.flags) ? 0 : VM_LOCKED_MASK;
    const flags = (area.flags & ~locks) | (isCharged ? VM_ACCOUNT : 0);
    this.install(mm, { ...area, flags });
    return 0;
  }

  /** @returns 0, also where nothing is; -EINVAL, -EPERM, -ENOMEM */
  munmap(mm: MmStruct, start: number, pages: number): number {
    if (checkRange(start, pages) < 0) return -EINVAL;
    const rc = this.checkUnmap(mm, start, start + pages);
    if (rc < 0) return rc;
    this.remove(mm, start, start + pages);
    return 0;
  }

  /**
   * May what stands in the range be unmapped (vms_gather_munmap_vmas)? The area that it begins in
   * is split before the others are looked at, and stays so if one of them is sealed.
   */
  private checkUnmap(mm: MmStruct, start: number, end: number): number {
    const first = mm.find(start);
    const cuts = first !== null && first.start < start && end < first.end;
    if (cuts && !this.edit.maySplit(mm)) return -ENOMEM;
    for (const part of mm.within(start, end)) {
      if ((part.flags & VM_SEALED) !== 0) {
        if (part.start > start) mm.splitAt(start);
        return -EPERM;
      }
      if ((part.flags & VM_HUGETLB) === 0) continue;
      if (part.start % PTRS_PER_PTE !== 0 || part.end % PTRS_PER_PTE !== 0) return -EINVAL;
    }
    return 0;
  }

  private install(mm: MmStruct, area: Vma): void {
    this.remove(mm, area.start, area.end);
    const flags = ksmVmaFlags(mm, area.flags | VM_SOFTDIRTY);
    mm.replace(area.start, area.end, [{ ...area, flags }]);
  }

  private remove(mm: MmStruct, start: number, end: number): void {
    const gone = mm.within(start, end);
    this.zap.range(mm, start, end);
    mm.replace(start, end, []);
    this.hugetlb.unmapped(mm, gone);
    this.evict.unmapped(gone);
    tellUnmapped(gone, start, end);
  }
}

/** What an area maps. */
export type FileBacking = Pick<Vma, 'file' | 'pgoff'> & Partial<Pick<Vma, 'ra'>>;

export const MmapToken = createToken<Mmap>('Mmap');

/** Each userfaultfd of the areas is told once of the whole range (userfaultfd_unmap_complete). */
function tellUnmapped(gone: readonly Vma[], start: number, end: number): void {
  for (const uffd of new Set(gone.map((part) => part.uffd))) {
    tellUffd(uffd, { event: UFFD_EVENT_UNMAP, start, end });
  }
}

/** Is the area charged to the commit limit (accountable_mapping)? */
function isAccountable(flags: number): boolean {
  return (flags & (VM_NORESERVE | VM_SHARED | VM_WRITE | VM_HUGETLB)) === VM_WRITE;
}

function pagesOf(parts: readonly Vma[]): number {
  return parts.reduce((pages, part) => pages + part.end - part.start, 0);
}

function checkRange(start: number, pages: number): number {
  if (!Number.isInteger(start) || start < 0 || pages <= 0) return -EINVAL;
  return start + pages > TASK_SIZE_PAGES ? -ENOMEM : 0;
}
