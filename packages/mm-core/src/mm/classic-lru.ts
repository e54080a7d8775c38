import { PG_active, PG_workingset } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import {
  LRU_ACTIVE_ANON,
  LRU_ACTIVE_FILE,
  LRU_GEN_ANON,
  LRU_GEN_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  type Lruvec,
} from '../mem/lruvec.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type AnonReclaim, AnonReclaimToken } from './anon-reclaim.js';
import type { ClassicPass } from './classic-pass.js';
import { CostModel } from './cost-model.js';
import { type Folios, FoliosToken } from './folio.js';
import { isRootReclaim } from './lru-gen.js';
import { applyProportionalProtection } from './memcg-protection.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import {
  DEF_PRIORITY,
  hintsOf,
  MAX_SWAPPINESS,
  type ScanControl,
  SWAP_CLUSTER_MAX,
  SWAPPINESS_ANON_ONLY,
} from './scan-control.js';
import { type ScanCounters, ScanCountersToken } from './scan-counters.js';
import { type ShrinkFolioList, ShrinkFolioListToken } from './shrink-folio-list.js';
import { type Work, WorkToken } from './work.js';

/** Lists in the order of a round; each is its own index. */
const SCAN_ORDER = [LRU_INACTIVE_ANON, LRU_ACTIVE_ANON, LRU_INACTIVE_FILE, LRU_ACTIVE_FILE];

/** How a pass divides its work between anonymous and file pages. */
type Balance = 'anon' | 'file' | 'equal' | 'fractions';

/**
 * Active and inactive lists of one lruvec (mm/vmscan.c:shrink_lruvec with the multi-generational
 * LRU off), in batches of 32 pages.
 */
@injectable()
export class ClassicLru {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(ShrinkFolioListToken) private readonly shrinker: ShrinkFolioList,
    @inject(AnonReclaimToken) private readonly anon: AnonReclaim,
    @inject(ScanCountersToken) private readonly counters: ScanCounters,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  *shrinkLruvec(lruvec: Lruvec, sc: ScanControl, pass: ClassicPass): Generator<void, void> {
    const left = this.getScanCount(lruvec, sc, pass);
    const targets = [...left];
    const direct = isRootReclaim(sc) && sc.reclaimer !== 'kswapd';
    const proportional = direct && sc.priority === DEF_PRIORITY;
    const before = sc.nrReclaimed;
    while (
      left[LRU_INACTIVE_ANON]! > 0 ||
      left[LRU_ACTIVE_FILE]! > 0 ||
      left[LRU_INACTIVE_FILE]! > 0
    ) {
      for (const list of SCAN_ORDER) {
        const batch = Math.min(left[list]!, SWAP_CLUSTER_MAX);
        if (batch <= 0) continue;
        left[list]! -= batch;
        this.shrinkList(lruvec, list, batch, sc, pass);
      }
      yield;
      if (sc.nrReclaimed - before < sc.nrToReclaim || proportional) continue;
      if (!this.stopSmaller(left, targets)) break;
    }
    if (!this.anon.canReclaim(lruvec.nid, this.memcgs.get(lruvec.memcg), sc)) return;
    if (this.inactiveIsLow(lruvec, LRU_INACTIVE_ANON)) {
      this.shrinkActiveList(lruvec, LRU_ACTIVE_ANON, SWAP_CLUSTER_MAX, sc);
    }
  }

  /** inactive * ratio < active; ratio = int_sqrt(10 * GiB), 1 below a GiB (inactive_is_low). */
  inactiveIsLow(lruvec: Lruvec, inactive: number): boolean {
    const small = this.pagesBelow(lruvec, inactive);
    const large = this.pagesBelow(lruvec, inactive + 1);
    const gib = Math.floor((small + large) / 2 ** 18);
    const ratio = gib > 0 ? Math.floor(Math.sqrt(10 * gib)) : 1;
    return small * ratio < large;
  }

  /** Pages of a list in the group and all below it (lruvec_page_state). */
  private pagesBelow(lruvec: Lruvec, list: number): number {
    if (lruvec.memcg === 0) return this.lru.size(lruvec.nid, list);
    let pages = 0;
    for (const memcg of this.memcgs.below(this.memcgs.get(lruvec.memcg))) {
      pages += this.lru.lruvec(memcg.id, lruvec.nid).size(list);
    }
    return pages;
  }

  /** Pages to scan of each list (get_scan_count). */
  private getScanCount(lruvec: Lruvec, sc: ScanControl, pass: ClassicPass): number[] {
    const memcg = this.memcgs.get(lruvec.memcg);
    const balance = this.balance(lruvec, memcg, sc, pass);
    const swappiness = this.anon.wanted(sc);
    const anonShare = pressure(pass, swappiness);
    return SCAN_ORDER.map((list) => {
      const type = list >> 1;
      const size = lruvec.size(list);
      let scan = applyProportionalProtection(memcg, sc, size) >> sc.priority;
      if (scan === 0 && !memcg.online) scan = Math.min(size, SWAP_CLUSTER_MAX);
      if (balance === 'equal') return scan;
      if (balance !== 'fractions')
        return (balance === 'anon') === (type === LRU_GEN_ANON) ? scan : 0;
      const share = type === LRU_GEN_ANON ? anonShare.anon : anonShare.file;
      return Math.floor((scan * share) / (anonShare.anon + anonShare.file));
    });
  }

  private balance(lruvec: Lruvec, memcg: MemCgroup, sc: ScanControl, pass: ClassicPass): Balance {
    const swappiness = this.anon.wanted(sc);
    if (swappiness === SWAPPINESS_ANON_ONLY) return 'anon';
    if (!this.mayScanAnon(lruvec, memcg, sc)) return 'file';
    if (!isRootReclaim(sc) && swappiness === 0) return 'file';
    if (sc.priority === 0 && swappiness > 0) return 'equal';
    if (pass.fileIsTiny) return 'anon';
    return pass.cacheTrim ? 'file' : 'fractions';
  }

  private mayScanAnon(lruvec: Lruvec, memcg: MemCgroup, sc: ScanControl): boolean {
    const demotes = this.anon.canDemote(lruvec.nid, memcg, sc);
    return demotes || (sc.maySwap && this.anon.swapPages(memcg) > 0);
  }

  /**
   * The target is met: the type with less left stops, the other goes on to the same share of its
   * own. @returns is there anything left?
   */
  private stopSmaller(left: number[], targets: readonly number[]): boolean {
    const anon = left[LRU_INACTIVE_ANON]! + left[LRU_ACTIVE_ANON]!;
    const file = left[LRU_INACTIVE_FILE]! + left[LRU_ACTIVE_FILE]!;
    if (anon === 0 || file === 0) return false;
    const stopped = file > anon ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE;
    const other = file > anon ? LRU_INACTIVE_FILE : LRU_INACTIVE_ANON;
    const target = targets[stopped]! + targets[stopped + 1]! + 1;
    const percentage = Math.floor((Math.min(anon, file) * 100) / target);
    left[stopped] = 0;
    left[stopped + 1] = 0;
    for (const list of [other, other + 1]) {
      const scanned = targets[list]! - left[list]!;
      const share = Math.floor((targets[list]! * (100 - percentage)) / 100);
      left[list] = Math.max(0, share - scanned);
    }
    return true;
  }

  private shrinkList(
    lruvec: Lruvec,
    list: number,
    batch: number,
    sc: ScanControl,
    pass: ClassicPass,
  ): void {
    if ((list & 1) === 0) this.shrinkInactiveList(lruvec, list, batch, sc);
    else if (pass.mayDeactivate[list >> 1] === true) this.shrinkActiveList(lruvec, list, batch, sc);
    else hintsOf(sc).skippedDeactivate = true;
  }

  private shrinkInactiveList(lruvec: Lruvec, list: number, batch: number, sc: ScanControl): void {
    this.folios.lruAddDrain();
    const memcg = this.memcgs.get(lruvec.memcg);
    const type = list >> 1;
    const taken = this.isolate(lruvec, list, batch);
    const pages = taken.reduce((sum, folio) => sum + this.table.nrPages(folio), 0);
    sc.nrScanned += pages;
    this.counters.isolated(memcg, sc, type, pages);
    if (taken.length === 0) return;
    const { reclaimed, written, kept } = this.shrinker.shrink(taken, sc, 'respect', memcg);
    for (const folio of kept) this.folios.moveToLru(folio);
    sc.nrReclaimed += reclaimed;
    this.counters.stolen(memcg, sc, type, reclaimed);
    this.noteCost(lruvec, type, written * SWAP_CLUSTER_MAX + pages - reclaimed);
  }

  /** Everything that is taken goes to the inactive list, used or not (shrink_active_list). */
  private shrinkActiveList(lruvec: Lruvec, list: number, batch: number, sc: ScanControl): void {
    this.folios.lruAddDrain();
    const memcg = this.memcgs.get(lruvec.memcg);
    const taken = this.isolate(lruvec, list, batch);
    for (const folio of taken) {
      this.work.charge(this.cost.ns.scanPage);
      this.rmapWalk.folioReferenced(folio, sc.targetMemcg ?? null);
      this.table.clear(folio, PG_active);
      this.table.set(folio, PG_workingset);
      this.folios.moveToLru(folio);
      this.counters.event(memcg, 'pgdeactivate', this.table.nrPages(folio));
    }
    this.counters.sorted(memcg, taken.length);
  }

  /** Takes up to `batch` pages from the tail (isolate_lru_folios). */
  private isolate(lruvec: Lruvec, list: number, batch: number): number[] {
    const taken: number[] = [];
    for (let pages = 0; pages < batch; ) {
      const folio = this.lru.tail(lruvec.list(list));
      if (folio < 0) break;
      pages += this.table.nrPages(folio);
      this.folios.isolateLru(folio);
      taken.push(folio);
    }
    return taken;
  }

  /**
   * What reclaiming a type cost, here and in all groups above; old costs fade (lru_note_cost). A
   * group's reclaim goes by what it was when its statistics were flushed last.
   */
  private noteCost(lruvec: Lruvec, type: number, cost: number): void {
    if (cost === 0) return;
    for (let at: MemCgroup | null = this.memcgs.get(lruvec.memcg); at !== null; at = at.parent) {
      const of = this.lru.lruvec(at.id, lruvec.nid);
      of.cost[type]! += cost;
      if (of.cost[LRU_GEN_ANON]! + of.cost[LRU_GEN_FILE]! > of.evictablePages() / 4) {
        of.cost[LRU_GEN_ANON] = Math.floor(of.cost[LRU_GEN_ANON]! / 2);
        of.cost[LRU_GEN_FILE] = Math.floor(of.cost[LRU_GEN_FILE]! / 2);
      }
      if (at.parent === null) of.flushCost();
    }
  }
}
export const ClassicLruToken = createToken<ClassicLru>('ClassicLru');

/** Shares of the two types by what each costs (calculate_pressure_balance). */
function pressure(pass: ClassicPass, swappiness: number): { anon: number; file: number } {
  const sum = pass.anonCost + pass.fileCost;
  const anonCost = sum + pass.anonCost;
  const fileCost = sum + pass.fileCost;
  const total = anonCost + fileCost;
  const anon = Math.floor((swappiness * (total + 1)) / (anonCost + 1));
  const file = Math.floor(((MAX_SWAPPINESS - swappiness) * (total + 1)) / (fileCost + 1));
  return { anon, file };
}
