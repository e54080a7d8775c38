import { PG_anon, PG_hugetlb, PG_partially_mapped, PG_swapcache } from '../abi/page-flags.js';
import { PMD_ORDER } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';

/**
 * Large folios for the shrinker to split (mm/huge_memory.c:deferred_split_folio): those that lost
 * some of their mappings, which have PG_partially_mapped, and every huge page, as it may be mostly
 * zeroes. A folio leaves the queue when it is freed, split or moved.
 *
 * Unmapping a range looks at a folio once, when the range is done, as batched unmapping does: one
 * that went whole was never partly mapped.
 */
@injectable()
export class DeferredSplit {
  private readonly site = Sites.index('rmap.__folio_remove_rmap');
  private readonly counter = Vmstat.index('thp_deferred_split_page');
  private readonly queue = new Set<number>();
  /** Folios to be looked at when the running batch ends. */
  private readonly touched = new Set<number>();
  private depth = 0;

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /** A page of a large folio lost its last mapping (__folio_remove_rmap). */
  unmapped(folio: number): void {
    if (this.depth > 0) this.touched.add(folio);
    else this.consider(folio);
  }

  /** Unmapping of many pages begins; batches nest. */
  begin(): void {
    this.depth++;
  }

  end(): void {
    this.depth--;
    if (this.depth > 0 || this.touched.size === 0) return;
    for (const folio of this.touched) this.consider(folio);
    this.touched.clear();
  }

  /** Puts a folio on the queue that is partly mapped already (the destination of a migration). */
  add(folio: number): void {
    if (this.table.order[folio]! <= 1 || this.table.has(folio, PG_swapcache)) return;
    if (this.table.has(folio, PG_partially_mapped)) return;
    this.table.set(folio, PG_partially_mapped);
    this.queue.add(folio);
    if (this.table.order[folio]! >= PMD_ORDER) this.vmstat.add(this.counter, 1);
  }

  /** Folios on the queue, oldest first; those that left it meanwhile are forgotten. */
  folios(): number[] {
    for (const folio of this.queue) if (!this.isQueued(folio)) this.queue.delete(folio);
    return [...this.queue];
  }

  /** Is the folio on the queue? */
  has(folio: number): boolean {
    return this.queue.has(folio);
  }

  /** A huge page is fresh: it may turn out to be mostly zeroes. */
  watch(folio: number): void {
    this.queue.add(folio);
  }

  private isQueued(folio: number): boolean {
    const inUse = this.table.refcount[folio]! > 0;
    return inUse && this.table.order[folio]! > 1 && this.table.head(folio) === folio;
  }

  private consider(folio: number): void {
    const mayBe = this.table.has(folio, PG_anon) && !this.table.has(folio, PG_hugetlb);
    if (!mayBe || this.table.order[folio]! <= 1) return;
    if (!this.managed.folio_may_be_lru(this.site, folio)) return;
    const pages = this.table.nrPages(folio);
    let mapped = 0;
    for (let at = folio; at < folio + pages; at++) if (this.table.mapcount[at]! > 0) mapped++;
    if (mapped > 0 && mapped < pages) this.add(folio);
  }
}
export const DeferredSplitToken = createToken<DeferredSplit>('DeferredSplit');
