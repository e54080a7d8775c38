import { PG_anon } from '../abi/page-flags.js';
import { PTE_WRITTEN } from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import { type PageCache, PageCacheToken } from './page-cache.js';

/**
 * What a device loads from and stores to frames itself, past the page tables. Programs that map the
 * frame see it, so their expectations change with it. Costs are the device's to charge.
 */
@injectable()
export class Dma {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(PageCacheToken) private readonly cache: PageCache,
  ) {}

  /** Name of the bytes of a frame as they are now (`PageData`). */
  load(pfn: number): number {
    for (const slot of this.rmap.slots(pfn)) {
      if ((this.ptes.bits[slot]! & PTE_WRITTEN) === 0) continue;
      this.contents.settle(pfn, this.ptes.vpnOf(slot), slot);
    }
    return this.table.key[pfn]!;
  }

  /** Stores bytes by their name. */
  store(pfn: number, key: number): void {
    const version = this.contents.storeKey(pfn, key);
    const place = this.table.has(this.table.head(pfn), PG_anon) ? null : this.cache.placeOf(pfn);
    if (place !== null) place.file.expected.set(place.index, version);
    else for (const slot of this.rmap.slots(pfn)) this.ptes.shadow[slot] = version;
    this.contents.onChangedBehind(pfn);
  }
}
export const DmaToken = createToken<Dma>('Dma');
