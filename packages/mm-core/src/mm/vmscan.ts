import { createToken, inject, injectable } from '../base/di.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import type { Pgdat } from '../mem/pgdat.js';
import { type ClassicLru, ClassicLruToken } from './classic-lru.js';
import { type ClassicPass, type ClassicPrepare, ClassicPrepareToken } from './classic-pass.js';
import { type Folios, FoliosToken } from './folio.js';
import { isRootReclaim, type LruGen, LruGenToken } from './lru-gen.js';
import { belowLow, belowMin } from './memcg-protection.js';
import { hintsOf, type ScanControl } from './scan-control.js';
import { type Shrinkers, ShrinkersToken } from './shrinker.js';

/**
 * Reclaim of one node (mm/vmscan.c:shrink_node); a service, so that another policy can take its
 * place. The work is done in batches: a generator that yields after each, so that a background
 * reclaimer can spread them over time while a direct one runs them through.
 */
export interface ReclaimPolicy {
  /** Scans the node at `sc.priority`; adds to `sc.nrScanned` and `sc.nrReclaimed`. */
  shrinkNode(pgdat: Pgdat, sc: ScanControl): Generator<void, void>;
}
export const ReclaimPolicy = createToken<ReclaimPolicy>('ReclaimPolicy');

/** Goes through the control groups with whichever LRU is switched on (mm/vmscan.c). */
@injectable()
export class Vmscan implements ReclaimPolicy {
  constructor(
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(LruGenToken) private readonly lruGen: LruGen,
    @inject(ClassicLruToken) private readonly classic: ClassicLru,
    @inject(ClassicPrepareToken) private readonly classicPrepare: ClassicPrepare,
    @inject(ShrinkersToken) private readonly shrinkers: Shrinkers,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
  ) {}

  *shrinkNode(pgdat: Pgdat, sc: ScanControl): Generator<void, void> {
    const scannedBefore = sc.nrScanned;
    const reclaimedBefore = sc.nrReclaimed;
    if (this.lru.lruGenEnabled && isRootReclaim(sc)) {
      yield* this.lruGen.shrinkNode(pgdat, sc);
      yield* this.shrinkers.shrinkSlab(pgdat.nid, sc);
    } else {
      yield* this.shrinkNodeMemcgs(pgdat, sc);
    }
    const tp = this.tracepoints.mm_vmscan_shrink;
    const scanned = sc.nrScanned - scannedBefore;
    if (tp.enabled) tp.emit(pgdat.nid, scanned, sc.nrReclaimed - reclaimedBefore, sc.priority);
  }

  /**
   * The target's groups in turn (shrink_node_memcgs). A walk that may be partial begins behind
   * where the last one stopped, and stops when the target is met.
   */
  private *shrinkNodeMemcgs(pgdat: Pgdat, sc: ScanControl): Generator<void, void> {
    const target = sc.targetMemcg ?? this.memcgs.root;
    const partial = sc.reclaimer !== 'kswapd' && !hintsOf(sc).memcgFullWalk;
    const pass = this.lru.lruGenEnabled
      ? null
      : this.classicPrepare.prepare(pgdat, sc, this.classic);
    const walk = this.memcgs.below(target);
    const from = partial ? target.walkedTo.get(pgdat.nid) : undefined;
    const rest = walk.slice(walk.findIndex((memcg) => memcg.id === from) + 1);
    for (const memcg of rest.length > 0 ? rest : walk) {
      if (!this.isProtected(memcg, sc)) yield* this.shrinkMemcg(pgdat, memcg, sc, pass);
      if (!partial || sc.nrReclaimed < sc.nrToReclaim) continue;
      target.walkedTo.set(pgdat.nid, memcg.id);
      return;
    }
    if (partial) target.walkedTo.delete(pgdat.nid);
  }

  private isProtected(memcg: MemCgroup, sc: ScanControl): boolean {
    const target = sc.targetMemcg ?? null;
    if (belowMin(target, memcg)) return true;
    if (!belowLow(target, memcg)) return false;
    const hints = hintsOf(sc);
    if (hints.memcgLowReclaim) {
      memcg.event('low');
      return false;
    }
    hints.memcgLowSkipped = true;
    return true;
  }

  private *shrinkMemcg(
    pgdat: Pgdat,
    memcg: MemCgroup,
    sc: ScanControl,
    pass: ClassicPass | null,
  ): Generator<void, void> {
    const lruvec = this.lru.lruvec(memcg.id, pgdat.nid);
    if (pass === null) {
      this.folios.lruAddDrain();
      yield* this.lruGen.shrinkLruvec(lruvec, sc);
    } else {
      yield* this.classic.shrinkLruvec(lruvec, sc, pass);
    }
    if (memcg.parent === null) yield* this.shrinkers.shrinkSlab(pgdat.nid, sc);
    else yield* this.shrinkers.shrinkSlabMemcg(pgdat.nid, sc, memcg.id);
  }
}
