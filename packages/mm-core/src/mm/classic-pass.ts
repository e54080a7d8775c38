import { WMARK_HIGH } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import {
  LRU_ACTIVE_FILE,
  LRU_GEN_ANON,
  LRU_GEN_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
} from '../mem/lruvec.js';
import type { Pgdat } from '../mem/pgdat.js';
import type { ClassicLru } from './classic-lru.js';
import { isRootReclaim } from './lru-gen.js';
import { hintsOf, type ScanControl } from './scan-control.js';

/** What a pass over a node with classic lists goes by, whatever group it is at. */
export interface ClassicPass {
  readonly anonCost: number;
  readonly fileCost: number;
  /** By type: are active pages to be made inactive? */
  readonly mayDeactivate: readonly boolean[];
  /** There is so much unused page cache that nothing else need go. */
  readonly cacheTrim: boolean;
  /** There is so little page cache that it is spared. */
  readonly fileIsTiny: boolean;
}

/** Looks at the target's lists before a pass (mm/vmscan.c:prepare_scan_control). */
@injectable()
export class ClassicPrepare {
  constructor(@inject(LruListsToken) private readonly lru: LruLists) {}

  prepare(pgdat: Pgdat, sc: ScanControl, classic: ClassicLru): ClassicPass {
    const { nid } = pgdat;
    const lruvec = this.lru.lruvec(sc.targetMemcg?.id ?? 0, nid);
    const hints = hintsOf(sc);
    const deactivate = (type: number): boolean =>
      hints.forceDeactivate ||
      lruvec.activations(type) !== lruvec.refaultsSeen[type] ||
      classic.inactiveIsLow(lruvec, type * 2);
    const mayDeactivate = [deactivate(LRU_GEN_ANON), deactivate(LRU_GEN_FILE)];
    const file = isRootReclaim(sc)
      ? this.lru.size(nid, LRU_INACTIVE_FILE)
      : lruvec.size(LRU_INACTIVE_FILE);
    return {
      anonCost: lruvec.costSeen[LRU_GEN_ANON]!,
      fileCost: lruvec.costSeen[LRU_GEN_FILE]!,
      mayDeactivate,
      cacheTrim: file >> sc.priority > 0 && mayDeactivate[LRU_GEN_FILE] === false,
      fileIsTiny: isRootReclaim(sc) && this.fileIsTiny(pgdat, sc, mayDeactivate),
    };
  }

  private fileIsTiny(pgdat: Pgdat, sc: ScanControl, mayDeactivate: readonly boolean[]): boolean {
    const { nid } = pgdat;
    const file = this.lru.size(nid, LRU_ACTIVE_FILE) + this.lru.size(nid, LRU_INACTIVE_FILE);
    const zones = pgdat.zones.filter((zone) => zone.managedPages > 0);
    const high = zones.reduce((sum, zone) => sum + zone.wmark(WMARK_HIGH), 0);
    const anon = this.lru.size(nid, LRU_INACTIVE_ANON);
    const enough = mayDeactivate[LRU_GEN_ANON] === false && anon >> sc.priority > 0;
    return file + pgdat.freePages() <= high && enough;
  }
}
export const ClassicPrepareToken = createToken<ClassicPrepare>('ClassicPrepare');
