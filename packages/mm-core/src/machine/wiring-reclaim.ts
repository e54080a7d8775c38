import type { Services } from '../base/di.js';
import { AnonReclaim, AnonReclaimToken } from '../mm/anon-reclaim.js';
import { ClassicLru, ClassicLruToken } from '../mm/classic-lru.js';
import { ClassicPrepare, ClassicPrepareToken } from '../mm/classic-pass.js';
import { ContigRange, ContigRangeToken } from '../mm/contig-range.js';
import { Demotion, DemotionToken } from '../mm/demotion.js';
import { DirectReclaim, DirectReclaimToken } from '../mm/direct-reclaim.js';
import { FolioPrealloc, FolioPreallocToken } from '../mm/folio-prealloc.js';
import { Kswapd, KswapdToken } from '../mm/kswapd.js';
import { LruGen, LruGenToken } from '../mm/lru-gen.js';
import { LruGenAging, LruGenAgingToken } from '../mm/lru-gen-aging.js';
import { LruGenDebug, LruGenDebugToken } from '../mm/lru-gen-debug.js';
import { MemcgStat, MemcgStatToken } from '../mm/memcg-stat.js';
import { Memcontrol, MemcontrolToken } from '../mm/memcontrol.js';
import { NodeReclaim, NodeReclaimToken } from '../mm/node-reclaim.js';
import { OomKill, OomKillToken } from '../mm/oom-kill.js';
import { Pageout, PageoutToken } from '../mm/pageout.js';
import { ScanCounters, ScanCountersToken } from '../mm/scan-counters.js';
import { ShrinkFolioList, ShrinkFolioListToken } from '../mm/shrink-folio-list.js';
import { Shrinkers, ShrinkersToken } from '../mm/shrinker.js';
import { UserReclaim, UserReclaimToken } from '../mm/user-reclaim.js';
import { ReclaimPolicy, Vmscan } from '../mm/vmscan.js';
import { Workingset, WorkingsetToken } from '../mm/workingset.js';

/**
 * Binds everything that takes memory back: reclaim, control groups, the OOM killer, contiguous
 * ranges.
 */
export function bindReclaim(services: Services): void {
  services.bind(AnonReclaimToken, AnonReclaim);
  services.bind(ScanCountersToken, ScanCounters);
  services.bind(ClassicLruToken, ClassicLru);
  services.bind(ClassicPrepareToken, ClassicPrepare);
  services.bind(LruGenAgingToken, LruGenAging);
  services.bind(LruGenToken, LruGen);
  services.bind(LruGenDebugToken, LruGenDebug);
  services.bind(DirectReclaimToken, DirectReclaim);
  services.bind(MemcontrolToken, Memcontrol);
  services.bind(MemcgStatToken, MemcgStat);
  services.bind(NodeReclaimToken, NodeReclaim);
  services.bind(UserReclaimToken, UserReclaim);
  services.bind(FolioPreallocToken, FolioPrealloc);
  services.bind(PageoutToken, Pageout);
  services.bind(ShrinkFolioListToken, ShrinkFolioList);
  services.bind(ShrinkersToken, Shrinkers);
  services.bind(DemotionToken, Demotion);
  services.bind(ContigRangeToken, ContigRange);
  services.bind(ReclaimPolicy, Vmscan);
  services.bind(OomKillToken, OomKill);
  services.bind(KswapdToken, Kswapd);
  services.bind(WorkingsetToken, Workingset);
}
