import {
  PG_anon_exclusive,
  PG_head,
  PG_hwpoison,
  PG_isolated,
  PG_locked,
} from '../abi/page-flags.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';

/**
 * Splitting of large folios (mm/huge_memory.c). Simplified: large folios are mapped by base entries
 * only (as an mTHP is), so there is no PMD to split first.
 */
@injectable()
export class HugeMemory {
  private readonly splitSite = Sites.index('huge_memory.__folio_split');
  private readonly splits = Vmstat.index('thp_split_page');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /**
   * Splits an isolated folio into base pages (split_folio). Each page keeps the references of its
   * mappings and gets one of its own isolation, also one that is mapped nowhere any more: the
   * caller puts them back or drops them.
   * @returns the new folios (all but the first page), or null if somebody else holds the folio
   */
  splitFolio(folio: number): number[] | null {
    const pages = this.table.nrPages(folio);
    assert(pages > 1, 'only a large folio is split');
    assert(this.table.has(folio, PG_isolated), 'only an isolated folio is split');
    if (this.table.refcount[folio]! - this.table.folioMapcount(folio) !== 1) return null;
    const inherited = this.table.flags[folio]! & ~(PG_head | PG_locked | PER_PAGE);
    const fresh: number[] = [];
    for (let at = folio + pages - 1; at > folio; at--) {
      this.table.flags[at] = inherited | (this.table.flags[at]! & PER_PAGE);
      this.table.order[at] = 0;
      this.table.refcount[at] = this.table.mapcount[at]! + 1;
      fresh.unshift(at);
      this.managed.folio_managed_split_cb(this.splitSite, folio, at);
    }
    this.managed.folio_managed_split_cb(this.splitSite, folio, -1);
    this.table.clear(folio, PG_head);
    this.table.order[folio] = 0;
    this.table.refcount[folio] = this.table.mapcount[folio]! + 1;
    this.vmstat.add(this.splits, 1);
    return fresh;
  }
}
export const HugeMemoryToken = createToken<HugeMemory>('HugeMemory');

/** Flags of a page, not of its folio. */
const PER_PAGE = PG_anon_exclusive | PG_hwpoison;
