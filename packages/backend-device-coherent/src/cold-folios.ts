import { type CostModel, type FolioTable, PG_lru, type RmapWalk, type Work } from '@mm-lab/mm-core';

/** Frames of a node. */
interface Frames {
  readonly base: number;
  readonly spannedPages: number;
}

/** What the clock uses of the core. */
export interface ColdParts {
  readonly table: FolioTable;
  readonly rmapWalk: RmapWalk;
  readonly work: Work;
  readonly cost: CostModel;
}

/** Times that the hand goes round: first it clears use bits, then it finds them clear. */
const ROUNDS = 2;

/**
 * Which folios of a device nobody has used lately: a clock over its frames, by the accessed bits of
 * whoever maps them (folio_referenced, which wants no page of ZONE_DEVICE). A folio that is looked
 * at costs what reclaim pays for one. Simplified: the kernel does not export it to modules.
 */
export class ColdFolios {
  private hand = 0;

  constructor(private readonly parts: ColdParts) {}

  /** Folios of about so many base pages, the coldest first, none of those that just came. */
  find({ base, spannedPages }: Frames, pages: number, fresh: ReadonlySet<number>): number[] {
    const { table, rmapWalk, work, cost } = this.parts;
    const found = new Set<number>();
    let left = pages;
    for (let seen = 0; seen < ROUNDS * spannedPages && left > 0; seen++) {
      const folio = base + (this.hand % spannedPages);
      this.hand = (this.hand + 1) % spannedPages;
      if (!table.has(folio, PG_lru) || fresh.has(folio) || found.has(folio)) continue;
      work.charge(cost.ns.scanPage);
      if (rmapWalk.folioReferenced(folio) > 0) continue;
      found.add(folio);
      left -= table.nrPages(folio);
    }
    return [...found];
  }
}
