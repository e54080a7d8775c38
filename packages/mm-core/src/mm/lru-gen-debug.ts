import { EINVAL } from '../abi/errno.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Lruvec, MIN_NR_GENS } from '../mem/lruvec.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type AnonReclaim, AnonReclaimToken } from './anon-reclaim.js';
import { scanControl } from './direct-reclaim.js';
import { type LruGen, LruGenToken } from './lru-gen.js';
import {
  evictableMinSeq,
  type LruGenAging,
  LruGenAgingToken,
  MAX_LRU_BATCH,
} from './lru-gen-aging.js';
import type { ScanControl } from './scan-control.js';
import { type Work, WorkToken } from './work.js';

/** A generation of a lruvec, and how it is to be treated. */
export interface GenerationWish {
  readonly seq: number;
  /** 0..201; null: as it is set. */
  readonly swappiness: number | null;
  /** Pages to evict at most. */
  readonly pages: number;
}

/**
 * Aging and eviction on command (mm/vmscan.c:run_aging, run_eviction). Results 0 or -errno.
 *
 * Simplified: a command runs in one moment, so no signal ends an eviction (-EINTR) and nobody else
 * makes the generation meanwhile (-EEXIST).
 */
@injectable()
export class LruGenDebug {
  constructor(
    @inject(LruGenToken) private readonly lruGen: LruGen,
    @inject(LruGenAgingToken) private readonly aging: LruGenAging,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(AnonReclaimToken) private readonly anon: AnonReclaim,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** A new youngest generation, whichever one the command names; -EINVAL if that is none yet. */
  runAging(lruvec: Lruvec, wish: GenerationWish): number {
    if (wish.seq > lruvec.maxSeq) return -EINVAL;
    this.aging.incMaxSeq(lruvec, this.swappinessOf(lruvec, wish, this.control(lruvec)));
    return 0;
  }

  /** Evicts what is as old as the generation or older. -EINVAL: it is one of the two youngest. */
  runEviction(lruvec: Lruvec, wish: GenerationWish): number {
    if (wish.seq + MIN_NR_GENS > lruvec.maxSeq) return -EINVAL;
    const sc = this.control(lruvec);
    const swappiness = this.swappinessOf(lruvec, wish, sc);
    this.work.enterMemalloc();
    while (wish.seq >= evictableMinSeq(lruvec, swappiness) && sc.nrReclaimed < wish.pages) {
      const batch = Math.min(wish.pages - sc.nrReclaimed, MAX_LRU_BATCH);
      if (this.lruGen.evictFolios(batch, lruvec, sc, swappiness) === 0) break;
    }
    this.work.leaveMemalloc();
    return 0;
  }

  private control(lruvec: Lruvec): ScanControl {
    const targetMemcg = this.memcgs.get(lruvec.memcg);
    const given = { order: 0, nrToReclaim: 0, priority: 0, targetMemcg };
    return scanControl({ reclaimer: 'proactive', ...given });
  }

  private swappinessOf(lruvec: Lruvec, { swappiness }: GenerationWish, sc: ScanControl): number {
    return swappiness ?? this.anon.ofLruvec(lruvec, sc);
  }
}
export const LruGenDebugToken = createToken<LruGenDebug>('LruGenDebug');
