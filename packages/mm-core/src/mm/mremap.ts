import { VM_LOCKED, VM_LOCKED_MASK } from '../abi/mman.js';
import { PTE_UFFD_WP } from '../abi/pte.js';
import { UFFD_FEATURE_EVENT_REMAP } from '../abi/userfaultfd.js';
import { createToken, inject, injectable } from '../base/di.js';
import { hasUffdFeature, VM_UFFD_MASK } from '../mem/userfaultfd.js';
import { clipVma, type MmStruct, type Vma } from '../mem/vma.js';
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
   * What never had a private page is numbered anew where it goes (copy_vma), as anonymous memory:
   * a file keeps its own numbers. A userfaultfd goes along only if it is told of it
   * (mremap_userfaultfd_prep).
   */
  private moved(vma: Vma, { from, to, newPages }: Move): Vma {
    const part = clipVma(vma, from, from + newPages);
    const anonPgoff = vma.anonVma === null ? to : part.anonPgoff;
    const pgoff = vma.file === null ? anonPgoff : part.pgoff;
    const area = { ...part, start: to, end: to + newPages, pgoff, anonPgoff };
    if (hasUffdFeature(vma.uffd, UFFD_FEATURE_EVENT_REMAP)) return area;
    return { ...area, flags: vma.flags & ~VM_UFFD_MASK, uffd: null };
  }

  /**
   * dontunmap_complete: an area that lost all its pages forgets its anon_vma and is numbered anew;
   * it merges with nobody. One that keeps pages and is locked was cut for that (needs_pre_split).
   */
  private emptySource(mm: MmStruct, from: number, pages: number): void {
    if (((mm.find(from)?.flags ?? 0) & VM_LOCKED) !== 0) {
      mm.splitAt(from);
      mm.splitAt(from + pages);
    }
    const vma = mm.find(from);
    if (vma === null || vma.start !== from || vma.end !== from + pages) return;
    const flags = vma.flags & ~VM_LOCKED_MASK;
    const pgoff = vma.file === null ? from : vma.pgoff;
    mm.exchange(vma, { ...vma, flags, pgoff, anonPgoff: from, anonVma: null });
  }
}
export const MremapToken = createToken<Mremap>('Mremap');
