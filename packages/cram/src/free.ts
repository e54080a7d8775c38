import {
  type Contents,
  ContentsToken,
  CostModel,
  createToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  type Work,
  WorkToken,
} from '@mm-lab/mm-core';
import type { CramNode } from './node.js';

/**
 * A driver's scrub (include/linux/cram.h:cram_flush_cb_t).
 * @returns 0 this free is the end of our own flush, return the page to the buddy allocator; 1 the
 * driver took a reference, do not free; anything else: no room, CRAM zeroes the page and frees it
 */
export type FlushCallback = (folio: number) => number;

/** Scrub on free (mm/cram.c:cram_free_folio): stale compressed data must not hold real capacity. */
@injectable()
export class CramFree {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** @returns true if the driver keeps the folio for now */
  freeFolio(node: CramNode, folio: number): boolean {
    if (node.flush !== null) {
      const answer = node.flush(folio);
      if (answer === 0) return false;
      if (answer === 1) return true;
    }
    const pages = this.table.nrPages(folio);
    for (let at = 0; at < pages; at++) this.contents.zero(folio + at);
    this.work.charge(pages * this.cost.ns.zeroPage);
    return false;
  }
}
export const CramFreeToken = createToken<CramFree>('CramFree');
