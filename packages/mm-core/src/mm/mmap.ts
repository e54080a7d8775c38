import { EFAULT, EINVAL, ENOMEM } from '../abi/errno.js';
import { VM_SOFTDIRTY } from '../abi/mman.js';
import { isMigrationType, pteType } from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { anonymousVma, clipVma, type MmStruct, type Vma } from '../mem/vma.js';
import { type EntryTypes, EntryTypesToken } from './entry-types.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type Zap, ZapToken } from './zap.js';

/** First virtual page behind the user's address space (TASK_SIZE). */
export const TASK_SIZE_PAGES = 2 ** 35;

/**
 * Changes of the address space (mm/mmap.c, mm/vma.c, mm/mremap.c). Ranges are virtual pages;
 * results 0 or -errno.
 */
@injectable()
export class Mmap {
  constructor(
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(EntryTypesToken) private readonly entryTypes: EntryTypes,
    @inject(ZapToken) private readonly zap: Zap,
  ) {}

  /**
   * mmap(MAP_FIXED): unmaps what is there first. @param backing the file and its page index at
   * `start`; default private anonymous memory
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
    this.zap.range(mm, start, start + pages);
    const vma = anonymousVma(start, start + pages, flags | VM_SOFTDIRTY);
    mm.replace(start, start + pages, [{ ...vma, ...backing }]);
    return 0;
  }

  munmap(mm: MmStruct, start: number, pages: number): number {
    const rc = checkRange(start, pages);
    if (rc < 0) return -EINVAL;
    this.zap.range(mm, start, start + pages);
    mm.replace(start, start + pages, []);
    return 0;
  }

  /**
   * mremap(MREMAP_MAYMOVE | MREMAP_FIXED) of one vma's range to `to`: shrinks, grows or moves.
   * Frames do not change.
   */
  mremap(mm: MmStruct, from: number, pages: number, to: number, newPages: number): number {
    if (checkRange(from, pages) < 0 || checkRange(to, newPages) < 0) return -EINVAL;
    const vma = mm.find(from);
    if (vma === null || vma.end < from + pages) return -EFAULT;
    if (to !== from && to < from + pages && from < to + newPages) return -EINVAL;
    const kept = Math.min(pages, newPages);
    if (to === from) return this.resizeInPlace(mm, from, pages, newPages);
    this.munmap(mm, to, newPages);
    if (kept < pages) this.munmap(mm, from + kept, pages - kept);
    for (let at = 0; at < kept; at++) this.moveEntry(mm, from + at, to + at);
    mm.replace(from, from + kept, []);
    const pgoff = vma.pgoff + (from - vma.start);
    mm.replace(to, to + newPages, [{ ...vma, start: to, end: to + newPages, pgoff }]);
    return 0;
  }

  private resizeInPlace(mm: MmStruct, start: number, pages: number, newPages: number): number {
    if (newPages < pages) return this.munmap(mm, start + newPages, pages - newPages);
    if (newPages === pages) return 0;
    const vma = mm.find(start);
    if (vma === null) return -EFAULT;
    if (mm.within(start + pages, start + newPages).length > 0) return -ENOMEM;
    const grown = clipVma(vma, start + pages, start + newPages);
    mm.replace(start + pages, start + newPages, [grown]);
    return 0;
  }

  private moveEntry(mm: MmStruct, from: number, to: number): void {
    const source = this.ptes.find(mm.id, from);
    if (source < 0 || this.ptes.bits[source] === 0) return;
    const target = this.ptes.slot(mm.id, to);
    const type = pteType(this.ptes.bits[source]!);
    const payload = this.ptes.value[source]!;
    this.mapping.move(source, target);
    if (!isMigrationType(type)) this.entryTypes.get(type)?.move(source, target, payload);
  }
}

/** What an area maps. */
export type FileBacking = Pick<Vma, 'file' | 'pgoff'>;

export const MmapToken = createToken<Mmap>('Mmap');

function checkRange(start: number, pages: number): number {
  if (!Number.isInteger(start) || start < 0 || pages <= 0) return -EINVAL;
  return start + pages > TASK_SIZE_PAGES ? -ENOMEM : 0;
}
