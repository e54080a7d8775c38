import { PTE_SPECIAL, pteMapsPage } from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { LEAF_SHIFT, PMD_HUGE, type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { type HugeMemory, HugeMemoryToken } from './huge-memory.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';

/** Pages [start, end) that advice may act on. */
export interface Advisable {
  readonly start: number;
  readonly end: number;
}

/**
 * Advice about a part of a large folio: the folio is split, or left alone if others map it too
 * (mm/madvise.c:madvise_cold_or_pageout_pte_range, madvise_free_pte_range).
 */
@injectable()
export class MadviseSplit {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(HugeMemoryToken) private readonly huge: HugeMemory,
  ) {}

  /** The range without huge entries that reach over its ends and can't be split. */
  clip(mm: MmStruct, part: Vma): Advisable {
    let { start, end } = part;
    if (start % PTRS_PER_PTE !== 0 && !this.mayCut(mm, start)) {
      start = Math.min(end, Math.ceil(start / PTRS_PER_PTE) * PTRS_PER_PTE);
    }
    if (end > start && end % PTRS_PER_PTE !== 0 && !this.mayCut(mm, end)) {
      end = Math.max(start, Math.floor(end / PTRS_PER_PTE) * PTRS_PER_PTE);
    }
    return { start, end };
  }

  /**
   * A large folio behind the entry `slot` of page `vpn`: splits it unless entries of the range map
   * all of it (madvise_folio_pte_batch). @returns may the page be advised about?
   */
  fits(slot: number, vpn: number, { start, end }: Advisable): boolean {
    const pfn = this.ptes.value[slot]!;
    const folio = this.table.head(pfn);
    const pages = this.table.nrPages(folio);
    const first = vpn - (pfn - folio);
    const isInside = first >= start && first + pages <= end;
    if (pages === 1 || (isInside && this.isMappedWhole(slot, folio))) return true;
    return this.splitOurs(folio);
  }

  /** Do entries of the page table of a slot map every page of its folio, in order? */
  private isMappedWhole(slot: number, folio: number): boolean {
    if (this.ptes.isHuge(slot)) return true;
    const pages = this.table.nrPages(folio);
    const first = slot - (this.ptes.value[slot]! - folio);
    if (first >> LEAF_SHIFT !== (first + pages - 1) >> LEAF_SHIFT) return false;
    for (let at = 0; at < pages; at++) {
      const isMapped = pteMapsPage(this.ptes.bits[first + at]!);
      if (!isMapped || this.ptes.value[first + at] !== folio + at) return false;
    }
    return true;
  }

  /** No huge entry stands there any more, or none did. */
  private mayCut(mm: MmStruct, vpn: number): boolean {
    const slot = this.ptes.find(mm.id, vpn);
    if (slot < 0 || this.ptes.pmd[slot >> LEAF_SHIFT] !== PMD_HUGE) return true;
    if ((this.ptes.bits[slot]! & PTE_SPECIAL) !== 0) return false;
    return this.splitOurs(this.table.head(this.ptes.value[slot]!));
  }

  private splitOurs(folio: number): boolean {
    return !this.rmapWalk.maybeMappedShared(folio) && this.huge.split(folio) === 0;
  }
}
export const MadviseSplitToken = createToken<MadviseSplit>('MadviseSplit');
