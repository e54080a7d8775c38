import { VM_LOCKED_MASK } from '../abi/mman.js';
import { PTE_UFFD_WP } from '../abi/pte.js';
import { UFFD_FEATURE_EVENT_REMAP } from '../abi/userfaultfd.js';
import { createToken, inject, injectable } from '../base/di.js';
import { hasUffdFeature, VM_UFFD_MASK } from '../mem/userfaultfd.js';
import { type MmStruct, pageIndex, type Vma } from '../mem/vma.js';
import { type MovePageTables, MovePageTablesToken } from './move-page-tables.js';

/** A move of [from, from + pages), which lies in one area, to `to`, where it has `newPages`. */
export interface Move {
  readonly from: number;
  readonly pages: number;
  readonly to: number;
  readonly newPages: number;
}

/** Moves areas with their entries; frames do not change (mm/mremap.c:move_vma). */
@injectable()
export class Mremap {
  constructor(@inject(MovePageTablesToken) private readonly pageTables: MovePageTables) {}

  /**
   * The target range is free, the source is no longer than the target. @param keepSource the area
   * stays, empty and unlocked (MREMAP_DONTUNMAP)
   */
  move(mm: MmStruct, vma: Vma, move: Move, keepSource: boolean): void {
    const { from, pages, to, newPages } = move;
    const moved = this.moved(vma, move);
    const isWatched = moved.uffd !== null;
    this.pageTables.move(mm, { from, to, pages, bitsLost: isWatched ? 0 : PTE_UFFD_WP });
    if (pages > 0 && !keepSource) mm.replace(from, from + pages, []);
    mm.replace(to, to + newPages, [moved]);
    if (keepSource) this.emptySource(mm, from, pages);
  }

  /**
   * Anonymous memory that never had a page is numbered anew where it goes (copy_vma), and a
   * userfaultfd goes along only if it is told of it (mremap_userfaultfd_prep).
   */
  private moved(vma: Vma, { from, to, newPages }: Move): Vma {
    const isFresh = vma.file === null && vma.anonVma === null;
    const pgoff = isFresh ? to : pageIndex(vma, from);
    const area = { ...vma, start: to, end: to + newPages, pgoff };
    if (hasUffdFeature(vma.uffd, UFFD_FEATURE_EVENT_REMAP)) return area;
    return { ...area, flags: vma.flags & ~VM_UFFD_MASK, uffd: null };
  }

  /**
   * dontunmap_complete: an area that lost all its pages forgets its anon_vma and is numbered anew;
   * it merges with nobody. Simplified: of an area that keeps pages, only the part is unlocked.
   */
  private emptySource(mm: MmStruct, from: number, pages: number): void {
    const vma = mm.find(from);
    if (vma === null) return;
    const flags = vma.flags & ~VM_LOCKED_MASK;
    if (vma.start === from && vma.end === from + pages) {
      const pgoff = vma.file === null ? from : vma.pgoff;
      mm.exchange(vma, { ...vma, flags, pgoff, anonVma: null });
    } else if (flags !== vma.flags) {
      const end = from + pages;
      mm.replace(from, end, [{ ...vma, start: from, end, pgoff: pageIndex(vma, from), flags }]);
    }
  }
}
export const MremapToken = createToken<Mremap>('Mremap');
