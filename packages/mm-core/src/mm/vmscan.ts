import { PG_active, PG_workingset } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import {
  LRU_ACTIVE_ANON,
  LRU_ACTIVE_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  type LruLists,
  LruListsToken,
} from '../mem/lru.js';
import type { Pgdat } from '../mem/pgdat.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CostModel } from './cost-model.js';
import { type Demotion, DemotionToken } from './demotion.js';
import { type Folios, FoliosToken } from './folio.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import { type ScanControl, SWAP_CLUSTER_MAX } from './scan-control.js';
import { type ShrinkFolioList, ShrinkFolioListToken } from './shrink-folio-list.js';
import { type Shrinkers, ShrinkersToken } from './shrinker.js';
import { type Swap, SwapToken } from './swap.js';
import { Sysctl } from './sysctl.js';
import { type Work, WorkToken } from './work.js';

/**
 * Reclaim of one node with the classic two lists (mm/vmscan.c:shrink_lruvec); a service, so that
 * another policy can take its place. The work is done in batches of 32 pages: a generator that
 * yields after each, so that a background reclaimer can spread them over time while a direct one
 * runs them through.
 */
export interface ReclaimPolicy {
  /** Scans the node at `sc.priority`; adds to `sc.nrScanned` and `sc.nrReclaimed`. */
  shrinkNode(pgdat: Pgdat, sc: ScanControl): Generator<void, void>;
}
export const ReclaimPolicy = createToken<ReclaimPolicy>('ReclaimPolicy');

/**
 * Active and inactive lists (mm/vmscan.c). Simplified: no memcg, no cgroup protection, no file
 * pages yet.
 */
@injectable()
export class ClassicLru implements ReclaimPolicy {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(ShrinkFolioListToken) private readonly shrinker: ShrinkFolioList,
    @inject(ShrinkersToken) private readonly shrinkers: Shrinkers,
    @inject(DemotionToken) private readonly demotion: Demotion,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  *shrinkNode(pgdat: Pgdat, sc: ScanControl): Generator<void, void> {
    this.folios.lruAddDrain();
    const nr = this.getScanCount(pgdat.nid, sc);
    const scannedBefore = sc.nrScanned;
    const reclaimedBefore = sc.nrReclaimed;
    while (nr.some((left) => left > 0)) {
      for (const list of SCAN_ORDER) {
        if (nr[list]! <= 0) continue;
        const batch = Math.min(nr[list]!, SWAP_CLUSTER_MAX);
        nr[list]! -= batch;
        this.shrinkList(pgdat.nid, list, batch, sc);
      }
      yield;
      if (sc.nrReclaimed >= sc.nrToReclaim) break;
    }
    if (this.canAgeAnon(pgdat.nid, sc) && this.inactiveIsLow(pgdat.nid, LRU_INACTIVE_ANON)) {
      this.shrinkActiveList(pgdat.nid, LRU_ACTIVE_ANON, SWAP_CLUSTER_MAX);
    }
    yield* this.shrinkers.shrinkSlab(pgdat.nid, sc);
    const tp = this.tracepoints.mm_vmscan_shrink;
    const scanned = sc.nrScanned - scannedBefore;
    if (tp.enabled) tp.emit(pgdat.nid, scanned, sc.nrReclaimed - reclaimedBefore, sc.priority);
  }

  /**
   * Pages to scan per list (get_scan_count); simplified: equal refault costs, so swappiness alone
   * divides.
   */
  private getScanCount(nid: number, sc: ScanControl): number[] {
    const file = this.lru.size(nid, LRU_INACTIVE_FILE) + this.lru.size(nid, LRU_ACTIVE_FILE);
    const wanted = this.sysctl.swappiness > 0 || file === 0;
    const anon = this.canReclaimAnon(nid, sc) && wanted;
    const anonShare = file === 0 ? 1 : this.sysctl.swappiness / 200;
    const share = [anon ? anonShare : 0, anon ? anonShare : 0, 1 - anonShare, 1 - anonShare];
    return share.map((part, list) => {
      const size = this.lru.size(nid, list);
      const scan = Math.floor(size / 2 ** sc.priority);
      return Math.floor(scan * part);
    });
  }

  /** Can anonymous pages leave (can_reclaim_anon_pages)? */
  private canReclaimAnon(nid: number, sc: ScanControl): boolean {
    if (sc.mayDemote && this.demotion.canDemote(nid)) return true;
    return sc.maySwap && this.swap.hasSpace();
  }

  private canAgeAnon(nid: number, sc: ScanControl): boolean {
    return this.swap.hasSpace() || (sc.mayDemote && this.demotion.canDemote(nid));
  }

  private shrinkList(nid: number, list: number, batch: number, sc: ScanControl): void {
    if (list === LRU_ACTIVE_ANON || list === LRU_ACTIVE_FILE) {
      if (this.inactiveIsLow(nid, list - 1)) this.shrinkActiveList(nid, list, batch);
      return;
    }
    this.shrinkInactiveList(nid, list, batch, sc);
  }

  /** inactive * ratio < active; ratio = int_sqrt(10 * GiB), 1 below a GiB. */
  private inactiveIsLow(nid: number, inactive: number): boolean {
    const small = this.lru.size(nid, inactive);
    const large = this.lru.size(nid, inactive + 1);
    const gib = Math.floor((small + large) / 2 ** 18);
    const ratio = gib > 0 ? Math.floor(Math.sqrt(10 * gib)) : 1;
    return small * ratio < large;
  }

  private shrinkInactiveList(nid: number, list: number, batch: number, sc: ScanControl): void {
    const taken = this.isolate(nid, list, batch);
    const pages = taken.reduce((sum, folio) => sum + this.table.nrPages(folio), 0);
    sc.nrScanned += pages;
    this.vmstat.count(`pgscan_${sc.reclaimer}`, pages);
    this.vmstat.count(list === LRU_INACTIVE_ANON ? 'pgscan_anon' : 'pgscan_file', pages);
    const reclaimed = this.shrinker.run(taken, sc, 'respect');
    sc.nrReclaimed += reclaimed;
    this.vmstat.count(`pgsteal_${sc.reclaimer}`, reclaimed);
    this.vmstat.count(list === LRU_INACTIVE_ANON ? 'pgsteal_anon' : 'pgsteal_file', reclaimed);
  }

  /** Everything that is taken goes to the inactive list, used or not (shrink_active_list). */
  private shrinkActiveList(nid: number, list: number, batch: number): void {
    const taken = this.isolate(nid, list, batch);
    for (const folio of taken) {
      this.work.charge(this.cost.ns.scanPage);
      this.rmapWalk.folioReferenced(folio);
      this.table.clear(folio, PG_active);
      this.table.set(folio, PG_workingset);
      this.folios.moveToLru(folio);
      this.vmstat.count('pgdeactivate', this.table.nrPages(folio));
    }
    this.vmstat.count('pgrefill', taken.length);
  }

  /** Takes up to `batch` pages from the tail (isolate_lru_folios). */
  private isolate(nid: number, list: number, batch: number): number[] {
    const taken: number[] = [];
    for (let pages = 0; pages < batch; ) {
      const folio = this.lru.oldest(nid, list);
      if (folio < 0) break;
      pages += this.table.nrPages(folio);
      this.folios.isolateLru(folio);
      taken.push(folio);
    }
    return taken;
  }
}

const SCAN_ORDER = [LRU_INACTIVE_ANON, LRU_ACTIVE_ANON, LRU_INACTIVE_FILE, LRU_ACTIVE_FILE];
