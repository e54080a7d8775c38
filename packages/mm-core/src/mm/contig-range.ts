import { __GFP_DIRECT_RECLAIM, __GFP_NOWARN, GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { MIGRATE_SYNC, MR_CONTIG_RANGE } from '../abi/migrate.js';
import {
  PG_anon,
  PG_buddy,
  PG_hwpoison,
  PG_isolated,
  PG_lru,
  PG_reserved,
  PG_swapcache,
  PG_tail,
} from '../abi/page-flags.js';
import { PAGEBLOCK_PAGES } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { freeOnePage } from '../mem/buddy.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { endIsolation, isolateRange, type PfnRange, undoIsolation } from '../mem/page-isolation.js';
import { CostModel } from './cost-model.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { DEF_PRIORITY, type ScanControl, SWAP_CLUSTER_MAX } from './scan-control.js';
import { type ShrinkFolioList, ShrinkFolioListToken } from './shrink-folio-list.js';
import { type Work, WorkToken } from './work.js';
import { type ZoneAlloc, ZoneAllocToken } from './zone-alloc.js';

/** How residents leave a range: by migration alone, or to swap as well. */
export type ContigEffort = 'migrate' | 'reclaim';

/**
 * Takes whole page blocks out of the buddy allocator, wherever they are (mm/page_alloc.c:
 * alloc_contig_range with __alloc_contig_migrate_range).
 *
 * A range: free or in use --begin--> isolated --evacuate, batch after batch--> its residents gone
 * --finish--> taken, or as it was. In an event the moves of a batch take time, so the next call is
 * for when that has passed. What is taken counts as gone (adjust_managed_page_count) until it is
 * given back.
 *
 * Simplified: one try of each batch, where the kernel has five. In an event the sources of a batch
 * are free when its time has passed, where the kernel frees each after its own copy
 * (migrate_folio_move): up to 32 pages, and those of the large folio that is the last of them, have
 * their contents twice instead of one folio. Clean file pages move, where the kernel drops them
 * (reclaim_clean_pages_from_list); 'reclaim' takes all in one batch. The request falls back to
 * other nodes without reclaim; one range at a time in each zone.
 */
@injectable()
export class ContigRange {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(ShrinkFolioListToken) private readonly shrink: ShrinkFolioList,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * Isolates the range: nothing new comes in. Until it is finished or aborted no CPU keeps folios
   * on their way to the LRU, as those of the range could not be isolated (lru_cache_disable).
   */
  begin(range: PfnRange): void {
    const zone = this.nodes.zoneOf(range.base);
    assert(zone.contigRange === null, 'one range of a zone is taken at a time');
    this.folios.lruCacheDisable();
    zone.drainPages();
    isolateRange(this.table, zone, range);
    zone.contigRange = range;
  }

  /**
   * Sends the next batch of residents away.
   * @param from where the last batch ended; first the base of the range
   * @returns where this one ended; the end of the range too if something of it stays
   *   (-EBUSY, -ENOMEM): the rest need not move then
   */
  evacuate(range: PfnRange, from: number, effort: ContigEffort): number {
    const end = range.base + range.pages;
    const rest = { base: from, pages: end - from };
    if (effort === 'reclaim') {
      const { list } = this.isolateResidents(rest, range.pages);
      if (list.length > 0) this.shrink.run(list, swapOnly(list.length), 'ignore');
      return end;
    }
    const { list, next } = this.isolateResidents(rest, COMPACT_CLUSTER_MAX);
    if (list.length === 0) return next;
    const nid = this.nodes.nidOf(range.base);
    this.migrate.migratePages(list, {
      mode: MIGRATE_SYNC,
      reason: MR_CONTIG_RANGE,
      newFolio: (src) => this.newFolio(src, nid),
    });
    if (list.length === 0) return next;
    for (const folio of list) this.folios.putbackLru(folio);
    return end;
  }

  /**
   * Takes the range if it is empty by now.
   * @returns the pages taken: those that were not taken before; none: the range is as it was
   */
  finish(range: PfnRange): readonly number[] {
    const zone = this.nodes.zoneOf(range.base);
    this.folios.lruAddDrainAll();
    zone.drainPages();
    if (!this.isEmpty(range)) {
      this.abort(range);
      return [];
    }
    this.folios.lruCacheEnable();
    zone.contigRange = null;
    endIsolation(this.table, zone, range);
    const taken: number[] = [];
    for (let pfn = range.base; pfn < range.base + range.pages; pfn++) {
      if (!this.table.has(pfn, PG_reserved)) taken.push(pfn);
    }
    this.table.reserve(range.base, range.pages);
    zone.managedPages -= taken.length;
    return taken;
  }

  /** Gives up on a range that was begun. */
  abort(range: PfnRange): void {
    const zone = this.nodes.zoneOf(range.base);
    this.folios.lruCacheEnable();
    zone.contigRange = null;
    undoIsolation(this.table, zone, range);
  }

  /** A page that was taken goes back to the allocator (__free_page of a held page). */
  giveBack(pfn: number): void {
    const zone = this.nodes.zoneOf(pfn);
    assert(this.table.has(pfn, PG_reserved), 'only a page that was taken is given back');
    this.table.unreserve(pfn, 1);
    zone.managedPages += 1;
    freeOnePage(this.table, zone, pfn, 0);
  }

  /** Up to so many pages, large folios whole (isolate_migratepages_block, as CMA asks for it). */
  private isolateResidents({ base, pages }: PfnRange, pagesMax: number): Isolated {
    const list: number[] = [];
    let isolated = 0;
    let pfn = base;
    for (; pfn < base + pages && isolated < pagesMax; pfn++) {
      this.work.charge(this.cost.ns.scanPage / PAGEBLOCK_PAGES);
      if (!this.mayMove(pfn)) continue;
      this.work.charge(this.cost.ns.scanPage);
      if (!this.folios.isolateLru(pfn)) continue;
      list.push(pfn);
      isolated += this.table.nrPages(pfn);
    }
    return { list, next: pfn };
  }

  /** An anonymous page that somebody else holds would not move and is left alone. */
  private mayMove(pfn: number): boolean {
    if (!this.table.has(pfn, PG_lru) || this.table.has(pfn, NOT_MOVABLE)) return false;
    const isPlain = this.table.has(pfn, PG_anon) && !this.table.has(pfn, PG_swapcache);
    return !isPlain || this.table.refcount[pfn]! <= this.table.folioMapcount(pfn);
  }

  /** alloc_migration_target: the same node where it has room, else those of its list. */
  private newFolio(src: number, nid: number): number {
    const quiet = (GFP_HIGHUSER_MOVABLE & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN;
    const gfp = quiet | this.managed.gfp_for_node(nid);
    return this.zoneAlloc.alloc({ gfp, order: this.table.order[src]!, nid, nodemask: null });
  }

  /** Is every page free, or taken already? */
  private isEmpty({ base, pages }: PfnRange): boolean {
    for (let pfn = base; pfn < base + pages; ) {
      if (this.table.has(pfn, PG_buddy)) pfn += 1 << this.table.order[pfn]!;
      else if (this.table.has(pfn, PG_reserved)) pfn++;
      else return false;
    }
    return true;
  }
}
export const ContigRangeToken = createToken<ContigRange>('ContigRange');

/** Pages that are isolated at a time. */
const COMPACT_CLUSTER_MAX = SWAP_CLUSTER_MAX;

interface Isolated {
  readonly list: number[];
  /** The scan goes on here. */
  readonly next: number;
}

const NOT_MOVABLE = PG_buddy | PG_tail | PG_isolated | PG_hwpoison;

function swapOnly(pages: number): ScanControl {
  return {
    reclaimer: 'kswapd',
    nrToReclaim: pages,
    priority: DEF_PRIORITY,
    maySwap: true,
    mayDemote: false,
    order: 0,
    nrScanned: 0,
    nrReclaimed: 0,
  };
}
