import { isMigrationType, pteType } from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { LEAF_SHIFT, PMD_HUGE, PMD_NONE, type Ptes, PtesToken } from '../mem/ptes.js';
import { isUffdWpMarker } from '../mem/userfaultfd.js';
import type { MmStruct } from '../mem/vma.js';
import { type EntryTypes, EntryTypesToken } from './entry-types.js';
import { type Mapping, MappingToken } from './mapping.js';
import { MMU_NOTIFY_UNMAP, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';

/** Where entries go. */
export interface EntryMove {
  readonly from: number;
  readonly to: number;
  readonly pages: number;
  /**
   * Bits that they lose: PTE_UFFD_WP where no userfaultfd goes along
   * (vma_has_uffd_without_event_remap).
   */
  readonly bitsLost: number;
}

/** Moves entries inside an address space, for mremap (mm/mremap.c:move_page_tables). */
@injectable()
export class MovePageTables {
  constructor(
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(EntryTypesToken) private readonly entryTypes: EntryTypes,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
  ) {}

  /** Moves what [from, from + pages) holds to the empty range at `to`; frames stay. */
  move(mm: MmStruct, { from, to, pages, bitsLost }: EntryMove): void {
    this.notifiers.invalidate(mm.id, from, from + pages, MMU_NOTIFY_UNMAP);
    for (let at = 0; at < pages; ) {
      const isWhole = at + PTRS_PER_PTE <= pages;
      const one = { from: from + at, to: to + at, pages: 1, bitsLost };
      if (isWhole && this.moveHuge(mm, one)) {
        at += PTRS_PER_PTE;
      } else {
        this.moveEntry(mm, one);
        at++;
      }
    }
  }

  /** A huge PMD between aligned places moves whole (move_huge_pmd). @returns did it? */
  private moveHuge(mm: MmStruct, { from, to, bitsLost }: EntryMove): boolean {
    if (from % PTRS_PER_PTE !== 0 || to % PTRS_PER_PTE !== 0) return false;
    const source = this.ptes.find(mm.id, from);
    if (source < 0 || !this.ptes.isHuge(source)) return false;
    const target = this.ptes.slot(mm.id, to) >> LEAF_SHIFT;
    const leaf = source >> LEAF_SHIFT;
    if (this.ptes.pmd[target] !== PMD_NONE || this.ptes.pmd[leaf] !== PMD_HUGE) return false;
    this.mapping.whole(leaf, () => {
      for (let at = 0; at < PTRS_PER_PTE; at++) {
        this.moveEntry(mm, { from: from + at, to: to + at, pages: 1, bitsLost });
      }
    });
    this.mapping.setPmd(target);
    return true;
  }

  private moveEntry(mm: MmStruct, { from, to, bitsLost }: EntryMove): void {
    const source = this.ptes.find(mm.id, from);
    if (source < 0 || this.ptes.bits[source] === 0) return;
    const target = this.ptes.slot(mm.id, to);
    const type = pteType(this.ptes.bits[source]!);
    const payload = this.ptes.value[source]!;
    if (bitsLost !== 0 && isUffdWpMarker(this.ptes.bits[source]!, payload)) {
      this.mapping.setEntry(source, 0, 0);
      return;
    }
    this.mapping.move(source, target, bitsLost);
    if (!isMigrationType(type)) this.entryTypes.get(type)?.move(source, target, payload);
  }
}
export const MovePageTablesToken = createToken<MovePageTables>('MovePageTables');
