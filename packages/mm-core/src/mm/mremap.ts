import { VM_LOCKED_MASK } from '../abi/mman.js';
import { isMigrationType, pteType } from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type MmStruct, pageIndex, type Vma } from '../mem/vma.js';
import { type EntryTypes, EntryTypesToken } from './entry-types.js';
import { type Mapping, MappingToken } from './mapping.js';

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
  constructor(
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(EntryTypesToken) private readonly entryTypes: EntryTypes,
  ) {}

  /**
   * The target range is free, the source is no longer than the target. @param keepSource the area
   * stays, empty and unlocked (MREMAP_DONTUNMAP)
   */
  move(mm: MmStruct, vma: Vma, move: Move, keepSource: boolean): void {
    const { from, pages, to, newPages } = move;
    const moved = this.moved(vma, move);
    for (let at = 0; at < pages; at++) this.moveEntry(mm, from + at, to + at);
    if (pages > 0 && !keepSource) mm.replace(from, from + pages, []);
    mm.replace(to, to + newPages, [moved]);
    if (keepSource) this.emptySource(mm, from, pages);
  }

  /** Anonymous memory that never had a page is numbered anew where it goes (copy_vma). */
  private moved(vma: Vma, { from, to, newPages }: Move): Vma {
    const isFresh = vma.file === null && vma.anonVma === null;
    const pgoff = isFresh ? to : pageIndex(vma, from);
    return { ...vma, start: to, end: to + newPages, pgoff };
  }

  /** dontunmap_complete: an area that lost all its pages forgets its anon_vma. */
  private emptySource(mm: MmStruct, from: number, pages: number): void {
    for (const part of mm.within(from, from + pages)) {
      const known = mm.find(from);
      const isWhole = known?.start === from && known.end === from + pages;
      const anonVma = isWhole ? null : part.anonVma;
      mm.replace(part.start, part.end, [{ ...part, flags: part.flags & ~VM_LOCKED_MASK, anonVma }]);
    }
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
export const MremapToken = createToken<Mremap>('Mremap');
