import { EAGAIN, EBUSY } from '../abi/errno.js';
import {
  PG_anon_exclusive,
  PG_head,
  PG_hwpoison,
  PG_isolated,
  PG_locked,
  PG_partially_mapped,
} from '../abi/page-flags.js';
import { PMD_ORDER } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type Folios, FoliosToken } from './folio.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import { type UnusedToZero, UnusedToZeroToken } from './unused-to-zero.js';

/**
 * Splitting of large folios (mm/huge_memory.c:__folio_split). Simplified: always to base pages, and
 * pages behind the end of their file stay cached until it is cut, where Linux drops them. The
 * counters are for folios of PMD order, as in Linux.
 */
@injectable()
export class HugeMemory {
  private readonly splitSite = Sites.index('huge_memory.__folio_split');
  private readonly splits = Vmstat.index('thp_split_page');
  private readonly failures = Vmstat.index('thp_split_page_failed');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(UnusedToZeroToken) private readonly unusedToZero: UnusedToZero,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /**
   * Splits a folio of the LRU, whose pages stay there; those that are mapped nowhere are freed
   * (split_folio).
   * @returns 0; -EBUSY if somebody works on it; -EAGAIN if somebody else holds it
   */
  split(folio: number): number {
    if (!this.folios.trylock(folio)) return -EBUSY;
    this.folios.unlock(folio);
    if (!this.folios.isolateLru(folio)) {
      this.count(this.failures, this.table.order[folio]!);
      return -EAGAIN;
    }
    const fresh = this.splitFolio(folio);
    for (const part of [folio, ...(fresh ?? [])]) this.folios.moveToLru(part);
    return fresh === null ? -EAGAIN : 0;
  }

  /**
   * Splits an isolated folio into base pages (split_folio). Each page keeps the references of its
   * mappings and gets one of its own isolation, also one that is mapped nowhere any more: the
   * caller puts them back or drops them.
   * @returns the new folios (all but the first page), or null if somebody else holds the folio
   */
  splitFolio(folio: number): number[] | null {
    const pages = this.table.nrPages(folio);
    const order = this.table.order[folio]!;
    assert(pages > 1, 'only a large folio is split');
    assert(this.table.has(folio, PG_isolated), 'only an isolated folio is split');
    const held = 1 + this.cache.references(folio);
    if (this.table.refcount[folio]! - this.table.folioMapcount(folio) !== held) {
      this.count(this.failures, order);
      return null;
    }
    const fresh = this.divide(folio, pages);
    this.count(this.splits, order);
    for (let at = folio; at < folio + pages; at++) this.unusedToZero.replace(at);
    return fresh;
  }

  /**
   * Splits a folio that is on no LRU list, whose lock and only reference beside its mappings the
   * caller has (folio_split_unmapped, and __folio_split of what a device owns). Each page gets a
   * lock and a reference of its own for the caller to drop.
   * @returns the new folios, or null if somebody else holds the folio
   */
  splitHeld(folio: number): number[] | null {
    const pages = this.table.nrPages(folio);
    const order = this.table.order[folio]!;
    assert(pages > 1, 'only a large folio is split');
    assert(this.table.has(folio, PG_locked), 'only a locked folio is split');
    if (this.table.refcount[folio]! - this.table.folioMapcount(folio) !== 1) {
      this.count(this.failures, order);
      return null;
    }
    const fresh = this.divide(folio, pages);
    for (const page of fresh) this.table.set(page, PG_locked);
    this.count(this.splits, order);
    return fresh;
  }

  /**
   * Splits a folio that is mapped nowhere, whose only reference the caller has; nothing is counted
   * (folio_split_unmapped). @returns did it? Not if somebody else holds the folio
   */
  splitUnmapped(folio: number): boolean {
    const isOurs = this.table.refcount[folio] === 1 && this.table.folioMapcount(folio) === 0;
    if (isOurs) this.divide(folio, this.table.nrPages(folio));
    return isOurs;
  }

  /**
   * Makes folios of the pages, each with the references of its mappings, the cache's, and one. The
   * original stays frozen to the end, a new one until its owner was told
   * (__folio_freeze_and_split_unmapped).
   */
  private divide(folio: number, pages: number): number[] {
    const cached = this.cache.has(folio) ? 1 : 0;
    this.unmap(folio);
    if (cached > 0) this.cache.split(folio);
    const inherited = this.table.flags[folio]! & ~OF_FOLIO;
    const fresh: number[] = [];
    this.table.refcount[folio] = 0;
    for (let at = folio + 1; at < folio + pages; at++) {
      this.table.flags[at] = inherited | (this.table.flags[at]! & PER_PAGE);
      this.table.order[at] = 0;
      this.table.memcg[at] = this.table.memcg[folio]!;
      this.managed.folio_managed_split_cb(this.splitSite, folio, at);
      this.table.refcount[at] = this.table.mapcount[at]! + 1 + cached;
      fresh.push(at);
    }
    this.managed.folio_managed_split_cb(this.splitSite, folio, -1);
    this.table.clear(folio, PG_head | PG_partially_mapped);
    this.table.order[folio] = 0;
    this.table.refcount[folio] = this.table.mapcount[folio]! + 1 + cached;
    return fresh;
  }

  /** Anonymous pages stay mapped, one by one; a file finds its pages again (unmap_folio). */
  private unmap(folio: number): void {
    if (this.cache.has(folio)) this.rmapWalk.tryToUnmap(folio);
    else this.rmapWalk.splitPmds(folio);
  }

  private count(event: number, order: number): void {
    if (order === PMD_ORDER) this.vmstat.add(event, 1);
  }
}
export const HugeMemoryToken = createToken<HugeMemory>('HugeMemory');

/** Flags of a page, not of its folio. */
const PER_PAGE = PG_anon_exclusive | PG_hwpoison;
/** Flags that the pages of a split folio do not take over. */
const OF_FOLIO = PG_head | PG_locked | PG_partially_mapped | PER_PAGE;
