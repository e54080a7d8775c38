import {
  __GFP_DIRECT_RECLAIM,
  __GFP_MOVABLE,
  __GFP_NORETRY,
  __GFP_RETRY_MAYFAIL,
  __GFP_THISNODE,
} from '../abi/gfp.js';
import { WMARK_HIGH, WMARK_MIN } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import { LRU_ACTIVE_ANON, LRU_INACTIVE_ANON } from '../mem/lruvec.js';
import { gfpZone } from './alloc-flags.js';
import {
  type Compaction,
  CompactionToken,
  type CompactPriority,
  type CompactResult,
} from './compaction.js';
import { type Demotion, DemotionToken } from './demotion.js';
import { type DirectReclaim, DirectReclaimToken } from './direct-reclaim.js';
import { type OomKill, OomKillToken } from './oom-kill.js';
import { type Swap, SwapToken } from './swap.js';
import { type Work, WorkToken } from './work.js';
import { type AllocRequest, type ZoneAlloc, ZoneAllocToken } from './zone-alloc.js';

const MAX_RECLAIM_RETRIES = 16;
/** Orders above this are costly: not retried, no kill (PAGE_ALLOC_COSTLY_ORDER). */
const PAGE_ALLOC_COSTLY_ORDER = 3;

/**
 * The page allocator (mm/page_alloc.c:__alloc_pages): the zonelist walk of `ZoneAlloc`, then direct
 * reclaim and compaction, then the OOM killer.
 */
@injectable()
export class PageAlloc {
  private readonly retrySite = Sites.index('page_alloc.should_reclaim_retry');

  constructor(
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(DemotionToken) private readonly demotion: Demotion,
    @inject(DirectReclaimToken) private readonly reclaim: DirectReclaim,
    @inject(CompactionToken) private readonly compaction: Compaction,
    @inject(OomKillToken) private readonly oom: OomKill,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * A folio of `1 << order` pages with one reference, or -1.
   * Without `__GFP_DIRECT_RECLAIM` in the request's gfp it never waits.
   */
  alloc(asked: AllocRequest): number {
    const { isolation } = this.managed;
    if ((asked.gfp & __GFP_DIRECT_RECLAIM) !== 0) this.managed.might_sleep('an allocation');
    if (!isolation.enter(asked.gfp)) return this.allocPages(this.inContext(asked));
    const pfn = this.allocPages(this.inContext(asked));
    isolation.leave();
    return pfn;
  }

  private allocPages(request: AllocRequest): number {
    const fast = this.zoneAlloc.alloc(request);
    if (fast >= 0) return fast;
    if ((request.gfp & __GFP_DIRECT_RECLAIM) === 0 || this.work.inMemalloc()) return -1;
    if (!this.hasPlace(request)) return -1;
    return this.slowpath(request);
  }

  /** What the running path forbids: a page to be pinned is not movable (current_gfp_context). */
  private inContext(request: AllocRequest): AllocRequest {
    if (!this.work.inPin() || (request.gfp & __GFP_MOVABLE) === 0) return request;
    return { ...request, gfp: request.gfp & ~__GFP_MOVABLE };
  }

  /** Is there a zone that could ever serve it? If not, nobody is killed for it. */
  private hasPlace(request: AllocRequest): boolean {
    const { nodemask } = request;
    const highest = gfpZone(request.gfp);
    return this.zoneAlloc.zonelist(request).some((zone) => {
      const may = nodemask === null || nodemask.has(zone.nid);
      return may && zone.type <= highest && zone.managedPages > 0;
    });
  }

  /**
   * Reclaim, compaction, and the killer, until a page comes or the flags say to give up
   * (__alloc_pages_slowpath). Large requests begin with a round of compaction alone.
   */
  private slowpath(request: AllocRequest): number {
    const { gfp, order } = request;
    const costly = order > PAGE_ALLOC_COSTLY_ORDER;
    if (costly || (order > 0 && (gfp & __GFP_MOVABLE) === 0)) {
      const first = this.compaction.direct(request, 'async', () => this.walk(request)).pfn;
      const onlyHere = __GFP_NORETRY | __GFP_THISNODE;
      if (first >= 0 || (gfp & onlyHere) === onlyHere) return first;
    }
    const tries: Tries = { priority: (gfp & __GFP_NORETRY) !== 0 ? 'async' : 'sync light' };
    let fruitless = 0;
    for (let kills = 0; kills <= MAX_KILLS; ) {
      const progress = this.reclaim.tryToFreePages(request);
      const reclaimed = progress > 0 ? this.walkDrained(request) : this.walk(request);
      if (reclaimed >= 0) return reclaimed;
      const { pfn, result } = this.compaction.direct(request, tries.priority, () =>
        this.walk(request),
      );
      if (pfn >= 0 || (gfp & __GFP_NORETRY) !== 0) return pfn;
      if (costly && (gfp & __GFP_RETRY_MAYFAIL) === 0) return -1;
      fruitless = progress > 0 && !costly ? 0 : fruitless + 1;
      if (this.shouldReclaimRetry(request, fruitless)) continue;
      if (progress > 0 && this.shouldCompactRetry(request, tries, result)) continue;
      const last = this.mayOom(request);
      if (last !== KILLED) return last;
      if (this.isDying()) return this.zoneAlloc.getPageFromFreelist(request, 'none');
      kills++;
      fruitless = 0;
    }
    return -1;
  }

  /**
   * A walk, and one more when no CPU keeps free pages back (__alloc_pages_direct_reclaim). Only
   * after progress: what is in stock is no reason to go on.
   */
  private walkDrained(request: AllocRequest): number {
    const pfn = this.walk(request);
    if (pfn >= 0) return pfn;
    this.zoneAlloc.unreserveHighatomic(request, 'keep last');
    this.zoneAlloc.drainAllPages();
    return this.walk(request);
  }

  private walk(request: AllocRequest): number {
    return this.zoneAlloc.getPageFromFreelist(request, WMARK_MIN);
  }

  /** Is another round of compaction worth it, harder if the last was in vain? */
  private shouldCompactRetry(request: AllocRequest, tries: Tries, result: CompactResult): boolean {
    if (request.order === 0) return false;
    if (result === 'skipped') {
      return this.compaction.zonelistSuitable(request, (nid) => this.reclaimable(nid));
    }
    if (tries.priority === 'sync full') return false;
    tries.priority = tries.priority === 'async' ? 'sync light' : 'sync full';
    return true;
  }

  /**
   * Could some zone pass MIN if everything reclaimable went (should_reclaim_retry)? If not, what is
   * kept for requests that cannot wait is worth one more round.
   */
  private shouldReclaimRetry(request: AllocRequest, fruitless: number): boolean {
    if (fruitless <= MAX_RECLAIM_RETRIES && this.mayPassMin(request)) return true;
    return this.zoneAlloc.unreserveHighatomic(request, 'take last');
  }

  private mayPassMin(request: AllocRequest): boolean {
    const highest = gfpZone(request.gfp);
    return this.zoneAlloc.zonelist(request).some((zone) => {
      if (zone.type > highest) return false;
      if (!this.zoneAlloc.nodeAllowed(request, zone.nid)) return false;
      if (!this.managed.numa_zone_alloc_allowed(this.retrySite, zone.nid, request.gfp))
        return false;
      const available = zone.freePages + this.reclaimable(zone.nid);
      return available > zone.wmark(WMARK_MIN) + zone.lowmemReserve[highest]!;
    });
  }

  /** Was the running task killed? It may use the reserves, to be gone sooner (ALLOC_OOM). */
  private isDying(): boolean {
    const { current } = this.work;
    return current !== null && this.oom.isVictim(current.mm.id);
  }

  private reclaimable(nid: number): number {
    if (!this.swap.hasSpace() && !this.demotion.canDemote(nid)) return 0;
    return this.lru.size(nid, LRU_INACTIVE_ANON) + this.lru.size(nid, LRU_ACTIVE_ANON);
  }

  /** One last walk at HIGH, then a kill (__alloc_pages_may_oom). @returns pfn, -1, or KILLED */
  private mayOom(request: AllocRequest): number {
    const last = this.zoneAlloc.getPageFromFreelist(request, WMARK_HIGH);
    if (last >= 0) return last;
    const noKill = __GFP_RETRY_MAYFAIL | __GFP_THISNODE;
    if ((request.gfp & noKill) !== 0 || request.order > PAGE_ALLOC_COSTLY_ORDER) return -1;
    return this.oom.outOfMemory(request) ? KILLED : -1;
  }
}
export const PageAllocToken = createToken<PageAlloc>('PageAlloc');

/** How hard the next compaction of a slow path tries. */
interface Tries {
  priority: CompactPriority;
}

const KILLED = -2;
const MAX_KILLS = 64;
