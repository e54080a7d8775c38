import {
  type Contents,
  ContentsToken,
  createToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  PTE_WRITTEN,
  type Ptes,
  PtesToken,
  type Rmap,
  RmapToken,
} from '@mm-lab/mm-core';

/** What a page holds, named for somebody who reads it while programs may still store to it. */
@injectable()
export class PageContents {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(ContentsToken) private readonly contents: Contents,
  ) {}

  /** Name of the bytes that the page holds now. */
  keyOf(pfn: number): number {
    for (const slot of this.rmap.slots(pfn)) {
      if (((this.ptes.bits[slot] ?? 0) & PTE_WRITTEN) === 0) continue;
      this.contents.settle(pfn, this.ptes.vpnOf(slot), slot);
    }
    return this.table.key[pfn] ?? 0;
  }

  /** Where a program sees the page: the first entry of it, or -1. */
  placeOf(pfn: number): number {
    return this.rmap.slots(pfn)[0] ?? -1;
  }

  /** Identity of what the page holds. */
  versionOf(pfn: number): number {
    return this.table.version[pfn] ?? 0;
  }
}
export const PageContentsToken = createToken<PageContents>('PageContents');
