import { PG_referenced } from '../abi/page-flags.js';
import { MAX_NR_ZONES, WMARK_HIGH } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import {
  LRU_GEN_ANON,
  LRU_GEN_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  type Lruvec,
  MIN_NR_GENS,
} from '../mem/lruvec.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { Pgdat } from '../mem/pgdat.js';
import { isCheaper, MAX_NR_TIERS } from '../mem/tier-counts.js';
import { type AnonReclaim, AnonReclaimToken } from './anon-reclaim.js';
import { type Folios, FoliosToken } from './folio.js';
import {
  evictableMinSeq,
  evictableTypes,
  type LruGenAging,
  LruGenAgingToken,
  MAX_LRU_BATCH,
} from './lru-gen-aging.js';
import { applyProportionalProtection, belowLow, belowMin } from './memcg-protection.js';
import { DEF_PRIORITY, hintsOf, MAX_SWAPPINESS, type ScanControl } from './scan-control.js';
import { type ScanCounters, ScanCountersToken } from './scan-counters.js';
import { type ShrinkFolioList, ShrinkFolioListToken } from './shrink-folio-list.js';
import { Sysctl } from './sysctl.js';

/** A tier is spared when its share of refaults is half as large again as the first one's. */
const FIRST_TIER_GAIN = 2;
const OTHER_TIER_GAIN = 3;
/** Folios that one batch isolates at most (MIN_LRU_BATCH). */
const MIN_LRU_BATCH = 64;

interface Isolated {
  readonly type: number;
  readonly folios: number[];
  /** Pages looked at, those that only changed their list included. */
  scanned: number;
}

/**
 * Eviction of the multi-generational LRU (mm/vmscan.c): the oldest generation of a lruvec goes in
 * batches of 64 folios; when only two generations are left, aging makes another first. Simplified:
 * one list for all zones of a node.
 */
@injectable()
export class LruGen {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(LruGenAgingToken) private readonly aging: LruGenAging,
    @inject(AnonReclaimToken) private readonly anon: AnonReclaim,
    @inject(ShrinkFolioListToken) private readonly shrinker: ShrinkFolioList,
    @inject(ScanCountersToken) private readonly counters: ScanCounters,
    @inject(Sysctl) private readonly sysctl: Sysctl,
  ) {}

  /**
   * Reclaim that is not for a group's limit (lru_gen_shrink_node). Simplified: every group has its
   * turn in order of creation, instead of the bins of shrink_many.
   */
  *shrinkNode(pgdat: Pgdat, sc: ScanControl): Generator<void, void> {
    if (!sc.maySwap && sc.reclaimer === 'kswapd') return;
    this.folios.lruAddDrain();
    this.setInitialPriority(pgdat.nid, sc);
    const before = sc.nrReclaimed;
    if (sc.reclaimer === 'kswapd') sc.nrReclaimed = 0;
    for (const memcg of this.memcgs.below(this.memcgs.root)) {
      yield* this.shrinkOne(this.lru.lruvec(memcg.id, pgdat.nid), memcg, sc);
      if (this.shouldAbort(pgdat.nid, sc)) break;
    }
    if (sc.reclaimer === 'kswapd') sc.nrReclaimed += before;
  }

  /** One lruvec at the run's priority (try_to_shrink_lruvec). */
  *shrinkLruvec(lruvec: Lruvec, sc: ScanControl): Generator<void, void> {
    const memcg = this.memcgs.get(lruvec.memcg);
    const target = sc.targetMemcg ?? null;
    const swappiness = this.anon.ofLruvec(lruvec, sc);
    if (this.sysctl.osrelease !== '7.3') {
      yield* this.shrinkLruvecOf70(lruvec, sc, swappiness);
      return;
    }
    let left = this.getNrToScan(lruvec, memcg, sc, swappiness);
    while (left > 0) {
      if (belowMin(target, memcg)) return;
      const aged = this.shouldRunAging(lruvec, sc, swappiness);
      if (aged) this.aging.incMaxSeq(lruvec, swappiness);
      const scanned = this.evictFolios(Math.min(left, MIN_LRU_BATCH), lruvec, sc, swappiness);
      if (scanned === 0) return;
      yield;
      if (this.shouldAbort(lruvec.nid, sc) || (aged && isRootReclaim(sc))) return;
      left -= scanned;
    }
  }

  /**
   * The same before 7.1: what there is to scan is computed anew for each batch, and a lruvec low on
   * cold folios is aged instead of evicted from.
   */
  private *shrinkLruvecOf70(
    lruvec: Lruvec,
    sc: ScanControl,
    swappiness: number,
  ): Generator<void, void> {
    const memcg = this.memcgs.get(lruvec.memcg);
    const target = sc.targetMemcg ?? null;
    for (let scanned = 0; ; ) {
      if (belowMin(target, memcg)) return;
      const isAged = this.shouldRunAging(lruvec, { ...sc, priority: 0 }, swappiness);
      const isOver = evictableMinSeq(lruvec, swappiness) + MIN_NR_GENS > lruvec.maxSeq;
      if (isAged && memcg.online && sc.priority < DEF_PRIORITY) {
        this.aging.incMaxSeq(lruvec, swappiness);
        return;
      }
      const pages = isOver ? 0 : this.getNrToScan(lruvec, memcg, sc, swappiness);
      if (pages <= 0) return;
      const delta = this.evictFolios(Math.min(pages, MIN_LRU_BATCH), lruvec, sc, swappiness);
      if (delta === 0) return;
      scanned += delta;
      yield;
      if (scanned >= pages || this.shouldAbort(lruvec.nid, sc)) return;
    }
  }

  private *shrinkOne(lruvec: Lruvec, memcg: MemCgroup, sc: ScanControl): Generator<void, void> {
    if (belowMin(null, memcg)) return;
    if (belowLow(null, memcg)) {
      const hints = hintsOf(sc);
      if (!hints.memcgLowReclaim) {
        hints.memcgLowSkipped = true;
        return;
      }
      memcg.event('low');
    }
    yield* this.shrinkLruvec(lruvec, sc);
  }

  /** (Inactive pages that can go) >> priority is about the target (set_initial_priority). */
  private setInitialPriority(nid: number, sc: ScanControl): void {
    if (sc.priority !== DEF_PRIORITY || sc.nrToReclaim < MIN_LRU_BATCH) return;
    let reclaimable = this.lru.size(nid, LRU_INACTIVE_FILE);
    if (this.anon.canReclaim(nid, null, sc)) reclaimable += this.lru.size(nid, LRU_INACTIVE_ANON);
    const priority = fls(reclaimable) - 1 - fls(sc.nrToReclaim - 1);
    sc.priority = Math.min(DEF_PRIORITY, Math.max(DEF_PRIORITY / 2, priority));
  }

  private getNrToScan(
    lruvec: Lruvec,
    memcg: MemCgroup,
    sc: ScanControl,
    swappiness: number,
  ): number {
    let pages = 0;
    for (const type of evictableTypes(swappiness)) pages += lruvec.typePages(type);
    if (!memcg.online) return pages;
    return applyProportionalProtection(memcg, sc, pages) >> sc.priority;
  }

  /** Only two generations: nothing can be evicted. Three: not yet at the first priority. */
  private shouldRunAging(lruvec: Lruvec, sc: ScanControl, swappiness: number): boolean {
    const oldest = evictableMinSeq(lruvec, swappiness) + MIN_NR_GENS;
    if (oldest > lruvec.maxSeq) return true;
    return sc.priority < DEF_PRIORITY && oldest === lruvec.maxSeq;
  }

  /** @returns pages looked at (evict_folios) */
  evictFolios(pages: number, lruvec: Lruvec, sc: ScanControl, swappiness: number): number {
    const { type, folios, scanned } = this.isolate(pages, lruvec, sc, swappiness);
    this.aging.tryToIncMinSeq(lruvec, swappiness);
    if (folios.length === 0) return scanned;
    const memcg = this.memcgs.get(lruvec.memcg);
    const result = this.shrinker.shrink(folios, sc, 'respect', memcg);
    sc.nrReclaimed += result.reclaimed;
    this.counters.stolen(memcg, sc, type, result.reclaimed);
    for (const folio of result.kept) this.putBack(folio, lruvec, type);
    return scanned;
  }

  /** A folio that was not evicted does not go back to the oldest generation. */
  private putBack(folio: number, lruvec: Lruvec, type: number): void {
    const flags = this.table.flags[folio]!;
    if (lruvec.entrySeq(flags, 'add') === lruvec.minSeq[type]) this.shrinker.makeActive(folio);
    this.folios.moveToLru(folio);
  }

  /** The wanted type, the other if it has nothing to look at (isolate_folios). */
  private isolate(pages: number, lruvec: Lruvec, sc: ScanControl, swappiness: number): Isolated {
    let type = this.typeToScan(lruvec, swappiness);
    let result: Isolated = { type, folios: [], scanned: 0 };
    for (let turn = 0; turn < evictableTypes(swappiness).length; turn++) {
      result = this.scanFolios(pages, lruvec, sc, type);
      if (result.scanned > 0) break;
      type = type === LRU_GEN_ANON ? LRU_GEN_FILE : LRU_GEN_ANON;
    }
    return result;
  }

  private scanFolios(pages: number, lruvec: Lruvec, sc: ScanControl, type: number): Isolated {
    const result: Isolated = { type, folios: [], scanned: 0 };
    if (lruvec.nrGens(type) === MIN_NR_GENS) return result;
    const seq = lruvec.minSeq[type]!;
    const head = lruvec.genList(seq, type);
    const tier = this.tierToScan(lruvec, type);
    let isolated = 0;
    let sorted = 0;
    for (let left = Math.min(pages, MAX_LRU_BATCH); left > 0 && isolated < pages; left--) {
      const folio = this.lru.tail(head);
      if (folio < 0) break;
      const size = this.table.nrPages(folio);
      result.scanned += size;
      if (this.aging.sortFolio(folio, lruvec, tier)) {
        sorted += size;
        continue;
      }
      if (!this.table.has(folio, PG_referenced)) this.table.clearLruUses(folio);
      this.folios.isolateForEviction(folio);
      result.folios.push(folio);
      isolated += size;
    }
    this.counters.isolated(this.memcgs.get(lruvec.memcg), sc, type, isolated);
    this.counters.sorted(this.memcgs.get(lruvec.memcg), sorted);
    return result;
  }

  /** File pages unless more of them come back than of anonymous ones (get_type_to_scan). */
  private typeToScan({ tiers }: Lruvec, swappiness: number): number {
    if (swappiness <= 1) return LRU_GEN_FILE;
    if (swappiness >= MAX_SWAPPINESS) return LRU_GEN_ANON;
    const last = MAX_NR_TIERS - 1;
    const anon = tiers.position(LRU_GEN_ANON, 0, last, swappiness);
    const file = tiers.position(LRU_GEN_FILE, 0, last, MAX_SWAPPINESS - swappiness);
    return isCheaper(anon, file) ? LRU_GEN_FILE : LRU_GEN_ANON;
  }

  /** The last tier that comes back no more often than the first (get_tier_idx). */
  private tierToScan({ tiers }: Lruvec, type: number): number {
    const first = tiers.position(type, 0, 0, FIRST_TIER_GAIN);
    let tier = 1;
    while (tier < MAX_NR_TIERS) {
      if (!isCheaper(first, tiers.position(type, tier, tier, OTHER_TIER_GAIN))) break;
      tier++;
    }
    return tier - 1;
  }

  /** The target is met, or kswapd's node is well above its marks (should_abort_scan). */
  private shouldAbort(nid: number, sc: ScanControl): boolean {
    if (sc.nrReclaimed >= Math.max(sc.nrToReclaim, 2 << sc.order)) return true;
    if (sc.reclaimer !== 'kswapd' || sc.order > 0) return false;
    const zones = this.nodes.pgdat(nid).zones.filter((zone) => zone.managedPages > 0);
    return zones.every((zone) =>
      zone.watermarkOk(0, zone.wmark(WMARK_HIGH) + MIN_LRU_BATCH, MAX_NR_ZONES - 1),
    );
  }
}
export const LruGenToken = createToken<LruGen>('LruGen');

/** Is the run for all memory, and not for the limit of a group (root_reclaim)? */
export function isRootReclaim(sc: ScanControl): boolean {
  const target = sc.targetMemcg ?? null;
  return target === null || target.parent === null;
}

/** Position of the highest bit, from 1; 0 of 0 (fls_long). */
function fls(value: number): number {
  return value <= 0 ? 0 : Math.floor(Math.log2(value)) + 1;
}
