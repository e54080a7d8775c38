import { PTE_TYPE_HWPOISON } from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { LEAF_SHIFT } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Hugetlb, HugetlbToken } from './hugetlb.js';
import { type HugetlbCache, HugetlbCacheToken } from './hugetlb-cache.js';
import { type Mapping, MappingToken } from './mapping.js';
import { MMU_NOTIFY_CLEAR, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';

/**
 * What poison does to a page of the hugetlb pool (mm/memory-failure.c: the hugetlb side of
 * hwpoison_user_mappings, me_huge_page).
 */
@injectable()
export class HugetlbFailure {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(HugetlbToken) private readonly hugetlb: Hugetlb,
    @inject(HugetlbCacheToken) private readonly cache: HugetlbCache,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
  ) {}

  /** Every mapping becomes poison as a whole; the references of the mappings go. */
  unmap(folio: number): void {
    const leaves = this.rmap.slots(folio).map((slot) => slot >> LEAF_SHIFT);
    for (const leaf of leaves) {
      this.notifiers.invalidateLeaf(leaf, MMU_NOTIFY_CLEAR);
      this.mapping.whole(leaf, () => {
        for (let at = 0; at < PTRS_PER_PTE; at++) {
          this.mapping.unmap((leaf << LEAF_SHIFT) | at);
          this.folios.put(folio);
        }
      });
      for (let at = 0; at < PTRS_PER_PTE; at++) {
        this.mapping.setEntry((leaf << LEAF_SHIFT) | at, PTE_TYPE_HWPOISON, folio + at);
      }
    }
  }

  /** Does a file keep the page, so that whoever comes by finds the poison? */
  isKept(folio: number): boolean {
    return this.cache.has(folio);
  }

  /**
   * The free page leaves the pool and goes to the buddy allocator in parts. @returns is it there?
   */
  dissolve(folio: number): boolean {
    return this.hugetlb.dissolve(folio);
  }

  /** Is it nobody's: free in the pool? */
  isFree(folio: number): boolean {
    return this.table.folioMapcount(folio) === 0 && this.hugetlb.isFree(folio);
  }
}
export const HugetlbFailureToken = createToken<HugetlbFailure>('HugetlbFailure');
