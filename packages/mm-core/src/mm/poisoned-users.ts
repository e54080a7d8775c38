import type { MfResult } from '../abi/memory-failure.js';
import { PG_anon, PG_dirty, PG_pinned, PG_swapcache } from '../abi/page-flags.js';
import { PTE_DIRTY } from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken, VERSION_ZERO } from '../mem/folio-table.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import { type Swap, SwapToken } from './swap.js';

/**
 * Who uses a page that turned out poisoned, and how they are rid of it (mm/memory-failure.c:
 * hwpoison_user_mappings and the table `error_states`).
 */
@injectable()
export class PoisonedUsers {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(SwapToken) private readonly swap: Swap,
  ) {}

  /**
   * Takes the page out of every page table. Its entries become poison, unless the contents can be
   * had elsewhere: those of a clean page of a file are emptied, those of the swap cache name the
   * slot again.
   * @returns is it mapped nowhere now?
   */
  unmap(pfn: number): boolean {
    const isUnmapped = this.removeMappings(pfn);
    if (isUnmapped) this.mlockFolio.unlock(pfn);
    return isUnmapped;
  }

  /** Makes poison of entries that map a page. */
  poison(pfn: number, slots: readonly number[]): void {
    this.rmapWalk.poisonSlots(pfn, slots);
  }

  /** Is something lost with the page: was it stored to since it was read or written out? */
  wasDirty(pfn: number): boolean {
    if (this.table.has(pfn, PG_dirty)) return true;
    return this.rmap.slots(pfn).some((slot) => (this.ptes.bits[slot]! & PTE_DIRTY) !== 0);
  }

  /**
   * What remains is taken out of where it stands: the swap cache if it is clean, a file on disk.
   * The dirty swap cache and memory of a file keep the page, for others to find the poison.
   */
  recover(pfn: number): MfResult {
    if (this.table.has(pfn, PG_swapcache)) {
      if (this.table.has(pfn, PG_dirty)) return 'delayed';
      this.swap.deleteFromCache(pfn);
      return 'recovered';
    }
    if (this.table.has(pfn, PG_anon)) return 'recovered';
    const place = this.cache.placeOf(pfn);
    if (place?.file.needsWriteback === true) {
      const image = place.file.disk.get(place.index);
      place.file.expected.set(place.index, image?.version ?? VERSION_ZERO);
      this.cache.remove(pfn);
    }
    return this.table.has(pfn, PG_pinned) ? 'failed' : 'recovered';
  }

  private removeMappings(pfn: number): boolean {
    if (this.table.has(pfn, PG_swapcache)) return this.rmapWalk.tryToUnmap(pfn);
    const isFile = this.cache.placeOf(pfn)?.file.needsWriteback === true;
    if (isFile && !this.wasDirty(pfn)) return this.rmapWalk.tryToUnmap(pfn);
    this.rmapWalk.unmapPoisoned(pfn);
    return true;
  }
}
export const PoisonedUsersToken = createToken<PoisonedUsers>('PoisonedUsers');
