import { MIGRATE_ASYNC, MIGRATE_SYNC, MIGRATE_SYNC_LIGHT } from '../abi/migrate.js';
import { MIGRATE_MOVABLE } from '../abi/migratetype.js';
import { MAX_PAGE_ORDER, WMARK_LOW, WMARK_MIN } from '../abi/zone.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import { GRANT_COMPACTION } from '../hooks/grants.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { buddyinfo } from '../mem/buddy.js';
import { FRAGMENTATION_NONE, fragmentationIndex } from '../mem/fragmentation.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import type { Zone } from '../mem/zone.js';
import { gfpMigratetype, gfpZone } from './alloc-flags.js';
import {
  type CompactControl,
  type CompactZone,
  CompactZoneToken,
  WHOLE_ZONE,
} from './compact-zone.js';
import { Sysctl } from './sysctl.js';
import { type Work, WorkToken } from './work.js';
import { type AllocRequest, type ZoneAlloc, ZoneAllocToken } from './zone-alloc.js';

/** What became of an attempt (enum compact_result). */
export type CompactResult = 'skipped' | 'deferred' | 'complete' | 'success';

/** How hard to try (enum compact_priority). */
export type CompactPriority = 'async' | 'sync light' | 'sync full';

/** Failures double the requests that pass by, up to 64 of them (COMPACT_MAX_DEFER_SHIFT). */
const COMPACT_MAX_DEFER_SHIFT = 6;
const PAGE_ALLOC_COSTLY_ORDER = 3;

/** How long a zone is left alone after failures (struct zone: compact_considered and others). */
interface Deferral {
  considered: number;
  shift: number;
  orderFailed: number;
}

/**
 * When memory is compacted (mm/compaction.c:try_to_compact_pages, compact_node); how is in
 * `CompactZone`, in the background in `Kcompactd`.
 */
@injectable()
export class Compaction {
  private readonly gateSite = Sites.index('compaction.try_to_compact_pages_gate');
  private readonly trySite = Sites.index('compaction.try_to_compact_pages');
  private readonly nodeSite = Sites.index('compaction.compact_node');
  private readonly suitableSite = Sites.index('compaction.compaction_zonelist_suitable');
  private readonly deferrals = new Map<Zone, Deferral>();

  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(CompactZoneToken) private readonly compactZone: CompactZone,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** A write to a node's compact file: every zone, whole, whatever was skipped before. */
  compactNode(nid: number): void {
    if (!this.isAllowed(nid)) return;
    for (const zone of this.nodes.pgdat(nid).zones) {
      if (zone.managedPages > 0) this.compactZone.run(zone, BY_HAND);
    }
  }

  /** vm.compact_memory (compact_nodes). */
  compactMemory(): void {
    for (const { nid } of this.nodes.all()) this.compactNode(nid);
  }

  /**
   * Direct compaction for a request (__alloc_pages_direct_compact).
   * @param allocate one more walk of the free lists
   * @returns a page or -1, and what became of the attempt
   */
  direct(
    request: AllocRequest,
    priority: CompactPriority,
    allocate: () => number,
  ): { readonly pfn: number; readonly result: CompactResult } {
    if (request.order === 0 || this.clock.inEvent()) return { pfn: -1, result: 'skipped' };
    this.work.enterMemalloc();
    const result = this.tryToCompactPages(request, priority);
    this.work.leaveMemalloc();
    if (result === 'skipped') return { pfn: -1, result };
    this.vmstat.count('compact_stall');
    const pfn = allocate();
    this.vmstat.count(pfn >= 0 ? 'compact_success' : 'compact_fail');
    return { pfn, result };
  }

  /** Could some zone be made suitable if all that is reclaimable went? */
  zonelistSuitable(request: AllocRequest, reclaimable: (nid: number) => number): boolean {
    return this.zones(request, this.suitableSite).some((zone) => {
      const available = zone.freePages + Math.floor(reclaimable(zone.nid) / request.order);
      return gapFits(zone, request.order, gfpZone(request.gfp), available);
    });
  }

  private tryToCompactPages(request: AllocRequest, priority: CompactPriority): CompactResult {
    let best: CompactResult = 'skipped';
    for (const zone of this.zones(request, this.trySite)) {
      const full = priority === 'sync full';
      const result =
        !full && this.isDeferred(zone, request.order)
          ? 'deferred'
          : this.compactZoneOrder(zone, request, priority);
      best = RANK[result] > RANK[best] ? result : best;
      if (result === 'success') {
        this.deferReset(zone);
        return result;
      }
      if (priority !== 'async' && result === 'complete') this.defer(zone, request.order);
    }
    return best;
  }

  private compactZoneOrder(
    zone: Zone,
    request: AllocRequest,
    priority: CompactPriority,
  ): CompactResult {
    const { order, gfp } = request;
    const highest = gfpZone(gfp);
    const before = this.suits(zone, order, highest);
    if (before !== 'continue') return before;
    const mode = priority === 'async' ? MIGRATE_ASYNC : MIGRATE_SYNC_LIGHT;
    const migratetype = gfpMigratetype(gfp);
    this.compactZone.run(zone, { order, mode, migratetype, direct: true });
    return zone.watermarkOk(order, zone.wmark(WMARK_MIN), highest) ? 'success' : 'complete';
  }

  /**
   * Is there a block already, or no room to work in, or is compaction worth a try
   * (compaction_suit_allocation_order)?
   */
  suits(zone: Zone, order: number, highest: number): 'success' | 'skipped' | 'continue' {
    if (zone.watermarkOk(order, zone.wmark(WMARK_MIN), highest)) return 'success';
    if (!gapFits(zone, order, highest, zone.freePages)) return 'skipped';
    const index = fragmentationIndex(buddyinfo(zone), order);
    const costly = order > PAGE_ALLOC_COSTLY_ORDER;
    const forLackOfMemory = index !== FRAGMENTATION_NONE && index <= this.sysctl.extfrag_threshold;
    return costly && index >= 0 && forLackOfMemory ? 'skipped' : 'continue';
  }

  /** May the node's memory be compacted (zone_supports_compaction)? */
  isAllowed(nid: number): boolean {
    return this.managed.node_allows(this.nodeSite, nid, GRANT_COMPACTION);
  }

  /** Zones that the request may use and that may be compacted (zone_supports_compaction). */
  private zones(request: AllocRequest, site: number): Zone[] {
    const highest = gfpZone(request.gfp);
    const { nodemask } = request;
    return this.zoneAlloc.zonelist(request).filter((zone) => {
      if (zone.type > highest || (nodemask !== null && !nodemask.has(zone.nid))) return false;
      if (!this.managed.numa_zone_alloc_allowed(this.gateSite, zone.nid, request.gfp)) return false;
      return this.managed.node_allows(site, zone.nid, GRANT_COMPACTION);
    });
  }

  /** compaction_deferred. */
  isDeferred(zone: Zone, order: number): boolean {
    const deferral = this.deferrals.get(zone);
    if (deferral === undefined || order < deferral.orderFailed) return false;
    deferral.considered++;
    return deferral.considered < 1 << deferral.shift;
  }

  /** compaction_defer_reset. */
  deferReset(zone: Zone): void {
    this.deferrals.delete(zone);
  }

  /** defer_compaction. */
  defer(zone: Zone, order: number): void {
    const before = this.deferrals.get(zone);
    this.deferrals.set(zone, {
      considered: 0,
      shift: Math.min(COMPACT_MAX_DEFER_SHIFT, (before?.shift ?? 0) + 1),
      orderFailed: Math.min(order, before?.orderFailed ?? MAX_PAGE_ORDER + 1),
    });
  }
}
export const CompactionToken = createToken<Compaction>('Compaction');

/** Room to work in above the mark (compact_gap, __compaction_suitable). */
function gapFits(zone: Zone, order: number, highest: number, available: number): boolean {
  const mark = order > PAGE_ALLOC_COSTLY_ORDER ? WMARK_LOW : WMARK_MIN;
  return available > zone.wmark(mark) + (2 << order) + zone.lowmemReserve[highest]!;
}

/** Whoever writes to a file wants the whole zone in order. */
const BY_HAND: CompactControl = {
  order: WHOLE_ZONE,
  mode: MIGRATE_SYNC,
  migratetype: MIGRATE_MOVABLE,
  direct: false,
};

const RANK: Readonly<Record<CompactResult, number>> = {
  skipped: 0,
  deferred: 1,
  complete: 2,
  success: 3,
};
