import { PG_anon, PG_dirty, PG_swapcache } from '../abi/page-flags.js';
import {
  isMarker,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_MARKER_POISONED,
  PTE_SPECIAL,
  PTE_TYPE_HWPOISON,
  PTE_TYPE_SWAP,
  pteMapsPage,
  pteType,
} from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { GRANT_MADVISE } from '../hooks/grants.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Advisable, type MadviseSplit, MadviseSplitToken } from './madvise-split.js';
import { type Mapping, MappingToken } from './mapping.js';
import { MMU_NOTIFY_CLEAR, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';
import { type Swap, SwapToken } from './swap.js';
import { type Zap, ZapToken } from './zap.js';

/**
 * MADV_FREE: pages that reclaim may drop as long as nobody stores to them again
 * (mm/madvise.c:madvise_free_pte_range).
 */
@injectable()
export class MadviseFree {
  private readonly site = Sites.index('madvise.madvise_free_pte_range');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(MadviseSplitToken) private readonly large: MadviseSplit,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(ZapToken) private readonly zap: Zap,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /** @returns pages whose contents are gone at once, as they were in swap or poisoned */
  free(mm: MmStruct, part: Vma): readonly number[] {
    this.folios.lruAddDrain();
    const range = this.large.clip(mm, part);
    this.notifiers.invalidate(mm.id, range.start, range.end, MMU_NOTIFY_CLEAR);
    const gone: number[] = [];
    const freed = new Set<number>();
    this.mapping.range(mm.id, range.start, range.end, (slot, vpn) => {
      const bits = this.ptes.bits[slot]!;
      if (!pteMapsPage(bits)) {
        if (!this.isDropped(slot, bits)) return;
        this.zap.entry(slot);
        gone.push(vpn);
      } else if ((bits & PTE_SPECIAL) === 0) {
        this.present(slot, range, vpn, freed);
      }
    });
    return gone;
  }

  private isDropped(slot: number, bits: number): boolean {
    const type = pteType(bits);
    if (type === PTE_TYPE_SWAP || type === PTE_TYPE_HWPOISON) return true;
    return isMarker(bits, this.ptes.value[slot]!, PTE_MARKER_POISONED);
  }

  private present(slot: number, range: Advisable, vpn: number, freed: Set<number>): void {
    const pfn = this.ptes.value[slot]!;
    if (!this.table.has(this.table.head(pfn), PG_anon)) return;
    if (!this.allows(slot, this.table.head(pfn))) return;
    if (!this.large.fits(slot, vpn, range)) return;
    const folio = this.table.head(pfn);
    const isShared = this.table.folioMapcount(folio) > this.table.nrPages(folio);
    if (this.table.order[folio]! > 0 && isShared) return;
    if (!freed.has(folio) && !this.makeClean(folio)) return;
    freed.add(folio);
    this.mapping.change(slot, 0, PTE_ACCESSED | PTE_DIRTY);
    if (folio === pfn) this.folios.markLazyfree(folio);
  }

  /** As for MADV_COLD, a huge entry is not asked about (RFC v4 patch 07). */
  private allows(slot: number, folio: number): boolean {
    if (this.ptes.isHuge(slot)) return true;
    return this.managed.folio_managed_allows(this.site, folio, GRANT_MADVISE);
  }

  /** What is dirty or in the swap cache must have no other mapping, and no slot afterwards. */
  private makeClean(folio: number): boolean {
    if (!this.table.has(folio, PG_swapcache) && !this.table.has(folio, PG_dirty)) return true;
    if (!this.folios.trylock(folio)) return false;
    const isOurs = this.table.folioMapcount(folio) === this.table.nrPages(folio);
    const isClean = isOurs && (!this.table.has(folio, PG_swapcache) || this.swap.freeSwap(folio));
    if (isClean) this.table.clear(folio, PG_dirty);
    this.folios.unlock(folio);
    return isClean;
  }
}
export const MadviseFreeToken = createToken<MadviseFree>('MadviseFree');
