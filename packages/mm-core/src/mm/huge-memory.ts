import {
  PG_anon_exclusive,
  PG_head,
  PG_isolated,
  PG_locked,
  PG_lru,
  PG_tail,
} from '../abi/page-flags.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
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
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /**
   * Splits an isolated or listed folio into base pages (split_folio). Each mapped page keeps its
   * mappings' references; unmapped pages keep one that the caller must put. The caller's own
   * reference stays with the first page.
   * @returns the new folios (all but the first page), or null if somebody else holds the folio
   */
  splitFolio(folio: number): number[] | null {
    const pages = this.table.nrPages(folio);
    assert(pages > 1, 'only a large folio is split');
    const own = this.table.refcount[folio]! - this.table.folioMapcount(folio);
    const listed = this.table.has(folio, PG_lru);
    if (own !== (listed ? 0 : 1)) return null;
    if (listed) this.lru.remove(folio);
    const inherited = this.table.flags[folio]! & ~(PG_head | PG_anon_exclusive | PG_locked);
    const fresh: number[] = [];
    for (let at = folio + pages - 1; at > folio; at--) {
      const exclusive = this.table.flags[at]! & PG_anon_exclusive;
      this.table.flags[at] = (inherited & ~(PG_tail | PG_lru)) | exclusive;
      this.table.order[at] = 0;
      this.table.refcount[at] = this.table.mapcount[at]! + (listed ? 0 : 1);
      fresh.unshift(at);
      this.managed.folio_managed_split_cb(this.splitSite, folio, at);
    }
    this.managed.folio_managed_split_cb(this.splitSite, folio, -1);
    this.table.clear(folio, PG_head);
    this.table.order[folio] = 0;
    this.table.refcount[folio] = this.table.mapcount[folio]! + own;
    this.vmstat.add(this.splits, 1);
    if (listed) for (const part of [folio, ...fresh]) this.lru.add(part);
    else
      for (const part of fresh) assert(this.table.has(part, PG_isolated), 'isolation is inherited');
    return fresh;
  }
}
export const HugeMemoryToken = createToken<HugeMemory>('HugeMemory');
