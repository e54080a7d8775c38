import {
  ALLOC_HIGHATOMIC,
  ALLOC_KSWAPD,
  ALLOC_MIN_RESERVE,
  ALLOC_NOFRAGMENT,
  ALLOC_NON_BLOCK,
} from '../abi/alloc-flags.js';
import {
  __GFP_DIRECT_RECLAIM,
  __GFP_HARDWALL,
  __GFP_KSWAPD_RECLAIM,
  __GFP_NOMEMALLOC,
  __GFP_ZERO,
} from '../abi/gfp.js';
import { N_MEMORY_PRIVATE, N_ONLINE } from '../abi/node-states.js';
import { PG_buddy, PG_tail } from '../abi/page-flags.js';
import { WMARK_HIGH, WMARK_LOW, WMARK_MIN, ZONE_DMA32, ZONE_NORMAL } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { freeOnePage, rmqueue } from '../mem/buddy.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { reserveHighatomic, unreserveHighatomic } from '../mem/highatomic.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import type { Zone } from '../mem/zone.js';
import { fastAllocFlags, gfpMigratetype, gfpZone, slowAllocFlags } from './alloc-flags.js';
import { Sysctl } from './sysctl.js';
import { type Work, WorkToken } from './work.js';

/** Which mark a walk must keep. */
export type AllocMark = typeof WMARK_MIN | typeof WMARK_LOW | typeof WMARK_HIGH | 'none';

/** What an allocation asks for. */
export interface AllocRequest {
  readonly gfp: number;
  readonly order: number;
  /** Preferred node. */
  readonly nid: number;
  /** Nodes that may be used; null = any. */
  readonly nodemask: ReadonlySet<number> | null;
}

/** A walk over the zones (struct alloc_context). */
interface Walk {
  readonly request: AllocRequest;
  readonly order: number;
  readonly migratetype: number;
  readonly mark: AllocMark;
  readonly highest: number;
  /** ALLOC_*. */
  allocFlags: number;
  /** Node of the first zone that it may use (preferred_zoneref), or -1 until it is known. */
  preferred: number;
  /** Are nodes whose kswapd is awake passed over? */
  skipAwake: boolean;
  /** Was one? */
  passedOver: boolean;
}

/** Nodes farther away are not reclaimed from first (node_reclaim_distance, RECLAIM_DISTANCE). */
const NODE_RECLAIM_DISTANCE = 30;
/** Every wish that a walk can give up, once, and the last without any. */
const WALKS_MAX = 4;
const NONE = -1;
/** The walk is to begin again. */
const RESTART = -2;

/**
 * The page allocator without its slow path: the zonelist walk with its gate, and the free. Reclaim
 * and migration use this one; everybody else uses `PageAlloc`, which adds direct reclaim.
 */
@injectable()
export class ZoneAlloc {
  private readonly site = Sites.index('page_alloc.get_page_from_freelist');
  private readonly kswapdSite = Sites.index('page_alloc.get_page_from_freelist_kswapd');
  private readonly wakeSite = Sites.index('vmscan.wakeup_kswapd');
  private readonly numaHit = Vmstat.index('numa_hit');
  private readonly numaMiss = Vmstat.index('numa_miss');
  private readonly numaForeign = Vmstat.index('numa_foreign');
  private readonly numaLocal = Vmstat.index('numa_local');
  private readonly numaOther = Vmstat.index('numa_other');
  private readonly pgfree = Vmstat.index('pgfree');
  private readonly pgallocDma = Vmstat.index('pgalloc_dma');
  /**
   * Pages on private nodes given to requests that did not ask for them (`Isolation.mark`): the
   * gate's promise is that it stays 0.
   */
  leakedAllocations = 0;

  /** Reclaims inside a node for a request (node_reclaim); set by its service. */
  nodeReclaim: ((nid: number, request: AllocRequest) => boolean) | null = null;

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
    @inject(WorkToken) private readonly work: Work,
    @inject(Sysctl) private readonly sysctl: Sysctl,
  ) {}

  /**
   * First try at LOW, then at MIN with kswapd awake, then reserves for reclaimers. @returns first
   * pfn or -1
   */
  alloc(request: AllocRequest): number {
    const { isolation } = this.managed;
    if (!isolation.enter(request.gfp)) return this.allocPages(request);
    const pfn = this.allocPages(request);
    isolation.leave();
    return pfn;
  }

  private allocPages(request: AllocRequest): number {
    const first = this.getPageFromFreelist(request, WMARK_LOW);
    if (first >= 0) return first;
    if ((request.gfp & __GFP_KSWAPD_RECLAIM) !== 0) this.wakeAllKswapds(request);
    const second = this.getPageFromFreelist(request, WMARK_MIN);
    if (second >= 0) return second;
    const reserves = this.work.inMemalloc() && (request.gfp & __GFP_NOMEMALLOC) === 0;
    return reserves ? this.getPageFromFreelist(request, 'none') : -1;
  }

  /**
   * Walks the zonelist (mm/page_alloc.c:get_page_from_freelist). Nodes whose kswapd is at work are
   * passed over first, so a node that fills up loses allocations to others before it is full; then
   * page blocks are kept from mixing as long as that costs no remote page.
   * @returns first pfn or -1
   */
  getPageFromFreelist(request: AllocRequest, mark: AllocMark): number {
    const { gfp, order } = request;
    const rights = mark === WMARK_LOW ? fastAllocFlags(gfp) : slowAllocFlags(gfp, order);
    const pure = mark === WMARK_LOW || this.sysctl.defrag_mode ? ALLOC_NOFRAGMENT : 0;
    const walk: Walk = {
      request,
      order,
      migratetype: gfpMigratetype(gfp),
      mark,
      highest: gfpZone(gfp),
      allocFlags: rights | pure,
      preferred: -1,
      skipAwake: this.nodes.count(N_ONLINE) > 1,
      passedOver: false,
    };
    for (let tries = 0; tries < WALKS_MAX; tries++) {
      walk.passedOver = false;
      const pfn = this.walk(walk);
      if (pfn >= 0) return pfn;
      if (pfn === RESTART) continue;
      const mayMix = (walk.allocFlags & ALLOC_NOFRAGMENT) !== 0 && !this.sysctl.defrag_mode;
      if (walk.passedOver) walk.skipAwake = false;
      else if (mayMix) walk.allocFlags &= ~ALLOC_NOFRAGMENT;
      else return NONE;
    }
    return NONE;
  }

  /** @returns first pfn, NONE or RESTART */
  private walk(walk: Walk): number {
    const { request } = walk;
    for (const zone of this.zonelist(request)) {
      if (zone.type > walk.highest) continue;
      if (!this.nodeAllowed(request, zone.nid)) continue;
      if (!this.managed.numa_zone_alloc_allowed(this.site, zone.nid, request.gfp)) continue;
      if (walk.preferred < 0) this.prefer(walk, zone);
      if (zone.nid !== walk.preferred && (walk.allocFlags & ALLOC_NOFRAGMENT) !== 0) {
        walk.allocFlags &= ~ALLOC_NOFRAGMENT;
        return RESTART;
      }
      if (walk.skipAwake && this.hasAwakeKswapd(zone.nid)) {
        walk.passedOver = true;
        continue;
      }
      if (!this.passes(zone, walk) && !this.makeRoom(zone, walk)) continue;
      const pfn = this.rmqueue(zone, walk);
      if (pfn < 0) continue;
      this.prepNewPage(zone, pfn, request);
      if ((walk.allocFlags & ALLOC_HIGHATOMIC) !== 0) {
        reserveHighatomic(this.table, zone, pfn, walk.order);
      }
      return pfn;
    }
    return NONE;
  }

  /**
   * Mixing page blocks is worth avoiding where there is a lower zone to go to, or no other node
   * (alloc_flags_nofragment).
   */
  private prefer(walk: Walk, zone: Zone): void {
    walk.preferred = zone.nid;
    if (this.sysctl.defrag_mode) return;
    const alone = this.nodes.count(N_ONLINE) === 1;
    if (zone.type === ZONE_NORMAL && (alone || this.hasDma32(zone.nid))) return;
    walk.allocFlags &= ~ALLOC_NOFRAGMENT;
  }

  private hasDma32(nid: number): boolean {
    const { zones } = this.nodes.pgdat(nid);
    return zones.some((zone) => zone.type === ZONE_DMA32 && zone.managedPages > 0);
  }

  /** With vm.zone_reclaim_mode a near node is reclaimed from before the walk goes on. */
  private makeRoom(zone: Zone, walk: Walk): boolean {
    if (this.sysctl.zone_reclaim_mode === 0 || this.nodeReclaim === null) return false;
    if (this.nodes.distance(walk.preferred, zone.nid) > NODE_RECLAIM_DISTANCE) return false;
    return this.nodeReclaim(zone.nid, walk.request) && this.passes(zone, walk);
  }

  /** Without a mark, what this CPU has in stock will do too. */
  private passes(zone: Zone, walk: Walk): boolean {
    const { order, mark } = walk;
    if (mark !== 'none') return passes(zone, walk, zone.wmark(mark));
    const stock = order === 0 ? zone.pcp(this.cpu()).count : 0;
    return zone.freePages + stock >= 1 << order;
  }

  /** A node without a kswapd is not passed over for one that works (RFC v4 patch 13). */
  private hasAwakeKswapd(nid: number): boolean {
    const { kswapd } = this.nodes.pgdat(nid);
    return !kswapd.asleep && this.managed.node_has_kswapd(this.kswapdSite, nid, kswapd.running);
  }

  /** Single pages come out of the stock of the CPU that runs (mm/page_alloc.c:rmqueue). */
  private rmqueue(zone: Zone, walk: Walk): number {
    const stocked = walk.order === 0 && zone.isolatedPageblocks === 0;
    if (stocked) zone.pcp(this.cpu()).take();
    const pfn = rmqueue(this.table, zone, walk);
    if (pfn < 0 && stocked) zone.pcp(this.cpu()).untake();
    if (zone.boostedWatermark && (walk.allocFlags & ALLOC_KSWAPD) !== 0) {
      zone.boostedWatermark = false;
      this.wakeupKswapd(zone.nid, 0);
    }
    return pfn;
  }

  /**
   * A block kept for requests that cannot wait goes back to all (unreserve_highatomic_pageblock).
   * @returns is there one that had free pages?
   */
  unreserveHighatomic(request: AllocRequest, last: 'keep last' | 'take last'): boolean {
    const migratetype = gfpMigratetype(request.gfp);
    return this.zonelist(request).some(
      (zone) =>
        this.nodeAllowed(request, zone.nid) &&
        unreserveHighatomic(this.table, zone, migratetype, last),
    );
  }

  private cpu(): number {
    return this.work.current?.cpu ?? 0;
  }

  /** The CPUs give their stocks of free pages back (drain_all_pages). */
  drainAllPages(): void {
    for (const zone of this.nodes.zones) zone.drainPages();
  }

  /**
   * May the request use the node? Its mask says, and for a program's memory the cpuset of the
   * running task (cpuset_current_node_allowed).
   */
  nodeAllowed({ nodemask, gfp }: AllocRequest, nid: number): boolean {
    if (nodemask !== null && !nodemask.has(nid)) return false;
    const allowed = this.work.current?.memsAllowed ?? null;
    if (allowed === null || (gfp & __GFP_HARDWALL) === 0 || allowed.has(nid)) return true;
    return this.managed.is_outside_cpusets(nid);
  }

  /** Zones of the request in the order they are tried. */
  zonelist(request: AllocRequest): readonly Zone[] {
    const pgdat = this.nodes.pgdat(request.nid);
    return pgdat[this.managed.isolation.zonelist(request.gfp)];
  }

  /** Wakes the kswapd of every node of the zonelist (wake_all_kswapds). */
  wakeAllKswapds(request: AllocRequest): void {
    const seen = new Set<number>();
    for (const zone of this.zonelist(request)) {
      if (seen.has(zone.nid)) continue;
      if (!this.nodeAllowed(request, zone.nid)) continue;
      seen.add(zone.nid);
      this.wakeupKswapd(zone.nid, request.order, request.gfp);
    }
  }

  /**
   * Wakes one node's kswapd if it has one and may (mm/vmscan.c:wakeup_kswapd). One that has nothing
   * to do leaves a request that cannot compact by itself to kcompactd.
   */
  wakeupKswapd(nid: number, order: number, gfp: number = __GFP_DIRECT_RECLAIM): void {
    if (!this.managed.zone_reclaim_allowed(this.wakeSite, nid)) return;
    const pgdat = this.nodes.pgdat(nid);
    if (!pgdat.kswapd.running) return;
    pgdat.kswapd.order = Math.max(pgdat.kswapd.order, order);
    const works = pgdat.wakeKswapd?.() ?? true;
    if (works || (gfp & __GFP_DIRECT_RECLAIM) !== 0) return;
    pgdat.wakeKcompactd?.(order, gfpZone(gfp));
  }

  /** A write to vm.numa_stat: counts that are switched off begin at 0 again. */
  writeNumaStat(on: boolean): void {
    this.sysctl.numa_stat = on;
    if (on) return;
    for (const { numaStat } of this.nodes.all()) {
      Object.assign(numaStat, { numa_hit: 0, numa_miss: 0, numa_foreign: 0 });
      Object.assign(numaStat, { local_node: 0, other_node: 0 });
    }
    const { numaHit, numaMiss, numaForeign, numaLocal, numaOther, vmstat } = this;
    for (const at of [numaHit, numaMiss, numaForeign, numaLocal, numaOther]) vmstat.clear(at);
  }

  /** Returns a folio without references to the buddy allocator (__free_frozen_pages). */
  free(folio: number): void {
    const order = this.table.order[folio]!;
    const zone = this.nodes.zoneOf(folio);
    assert(this.table.refcount[folio] === 0, 'only a folio without references is freed');
    assert((this.table.flags[folio]! & (PG_buddy | PG_tail)) === 0, 'a folio is freed once');
    for (let at = folio; at < folio + (1 << order); at++) {
      assert(this.table.mapcount[at] === 0, 'a freed page is mapped nowhere');
      this.table.flags[at] = 0;
      this.table.order[at] = 0;
    }
    this.vmstat.add(this.pgfree, 1 << order);
    freeOnePage(this.table, zone, folio, order);
    if (order === 0 && zone.isolatedPageblocks === 0) zone.pcp(this.cpu()).give();
    this.clearHopeless(zone);
    const tp = this.tracepoints.mm_page_free;
    if (tp.enabled) tp.emit(folio, order, zone.nid);
  }

  /** A zone above HIGH again gives its node's kswapd another chance (kswapd_clear_hopeless). */
  private clearHopeless(zone: Zone): void {
    const { kswapd } = this.nodes.pgdat(zone.nid);
    if (kswapd.failures > 0 && zone.freePages > zone.wmark(WMARK_HIGH)) kswapd.failures = 0;
  }

  private prepNewPage(zone: Zone, pfn: number, request: AllocRequest): void {
    const pages = 1 << request.order;
    this.table.prepareFolio(pfn, request.order);
    this.vmstat.add(this.pgallocDma + zone.type, pages);
    this.countNuma(zone.nid, this.preferredNid(request));
    const asked = (request.gfp & this.managed.isolation.mark) !== 0;
    if (!asked && this.nodes.hasState(zone.nid, N_MEMORY_PRIVATE)) this.leakedAllocations += pages;
    if ((request.gfp & __GFP_ZERO) !== 0) {
      for (let at = pfn; at < pfn + pages; at++) this.contents.zero(at);
    }
    const tp = this.tracepoints.mm_page_alloc;
    if (tp.enabled) tp.emit(pfn, request.order, request.gfp, zone.nid);
  }

  /** Node of the first zone that the request's own mask lets it have (preferred_zoneref). */
  private preferredNid(request: AllocRequest): number {
    const { nodemask } = request;
    if (nodemask === null || nodemask.has(request.nid)) return request.nid;
    return this.zonelist(request).find(({ nid }) => nodemask.has(nid))?.nid ?? request.nid;
  }

  /** Once per call; local is the node of the CPU that runs (mm/page_alloc.c:zone_statistics). */
  private countNuma(used: number, preferred: number): void {
    if (!this.sysctl.numa_stat) return;
    const { numaStat } = this.nodes.pgdat(used);
    if (used === this.work.cpuNid) {
      this.vmstat.add(this.numaLocal, 1);
      numaStat.local_node++;
    } else {
      this.vmstat.add(this.numaOther, 1);
      numaStat.other_node++;
    }
    if (used === preferred) {
      this.vmstat.add(this.numaHit, 1);
      numaStat.numa_hit++;
    } else {
      this.vmstat.add(this.numaMiss, 1);
      numaStat.numa_miss++;
      this.vmstat.add(this.numaForeign, 1);
      this.nodes.pgdat(preferred).numaStat.numa_foreign++;
    }
  }
}
export const ZoneAllocToken = createToken<ZoneAlloc>('ZoneAlloc');

/** The mark of the walk, lowered for those who have a right to reserves (__zone_watermark_ok). */
function passes(zone: Zone, { order, mark, highest, allocFlags }: Walk, wmark: number): boolean {
  let level = wmark;
  if ((allocFlags & ALLOC_MIN_RESERVE) !== 0 && mark === WMARK_MIN) {
    level -= level >> 1;
    if ((allocFlags & ALLOC_NON_BLOCK) !== 0) level -= level >> 2;
  }
  return zone.watermarkOk(order, level, highest, allocFlags);
}
