import { __GFP_DIRECT_RECLAIM, __GFP_NOWARN, GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { MIGRATE_SYNC, MR_CONTIG_RANGE } from '../abi/migrate.js';
import {
  PG_buddy,
  PG_hwpoison,
  PG_isolated,
  PG_lru,
  PG_reserved,
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
import { DEF_PRIORITY, type ScanControl } from './scan-control.js';
import { type ShrinkFolioList, ShrinkFolioListToken } from './shrink-folio-list.js';
import { type Work, WorkToken } from './work.js';
import { type ZoneAlloc, ZoneAllocToken } from './zone-alloc.js';

/** How residents leave a range: by migration alone, or to swap as well. */
export type ContigEffort = 'migrate' | 'reclaim';

/**
 * Takes whole page blocks out of the buddy allocator, wherever they are (mm/page_alloc.c:
 * alloc_contig_range with __alloc_contig_migrate_range).
 *
 * A range: free or in use --begin--> isolated, its residents on their way --finish--> taken, or as
 * it was. In an event the moves take time, so `finish` is for when that has passed. What is taken
 * counts as gone (adjust_managed_page_count) until it is given back.
 *
 * Simplified: one pass of migration, where the kernel has five, and one batch, where it isolates
 * 32 pages at a time and frees each source after its copy: until a batch has passed, all of the
 * range is held twice. The request falls back to other nodes without reclaim; one range at a time
 * in each zone.
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

  /** Isolates the range and sends its residents away. */
  begin(range: PfnRange, effort: ContigEffort): void {
    const zone = this.nodes.zoneOf(range.base);
    assert(zone.contigRange === null, 'one range of a zone is taken at a time');
    this.folios.lruAddDrainAll();
    zone.drainPages();
    isolateRange(this.table, zone, range);
    zone.contigRange = range;
    const list = this.isolateResidents(range);
    if (list.length === 0) return;
    if (effort === 'reclaim') {
      this.shrink.run(list, swapOnly(list.length), 'ignore');
      return;
    }
    this.migrate.migratePages(list, {
      mode: MIGRATE_SYNC,
      reason: MR_CONTIG_RANGE,
      newFolio: (src) => this.newFolio(src, zone.nid),
    });
    for (const folio of list) this.folios.putbackLru(folio);
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

  private isolateResidents({ base, pages }: PfnRange): number[] {
    const list: number[] = [];
    this.work.charge((pages * this.cost.ns.scanPage) / PAGEBLOCK_PAGES);
    for (let pfn = base; pfn < base + pages; pfn++) {
      if (!this.table.has(pfn, PG_lru) || this.table.has(pfn, NOT_MOVABLE)) continue;
      this.work.charge(this.cost.ns.scanPage);
      if (this.folios.isolateLru(pfn)) list.push(pfn);
    }
    return list;
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
