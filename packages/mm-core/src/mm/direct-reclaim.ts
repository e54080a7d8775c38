import { N_MEMORY_PRIVATE } from '../abi/node-states.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import type { MemCgroup } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import type { Zone } from '../mem/zone.js';
import { gfpZone } from './alloc-flags.js';
import {
  DEF_PRIORITY,
  hintsOf,
  noHints,
  type ScanControl,
  type ScanHints,
  SWAP_CLUSTER_MAX,
} from './scan-control.js';
import { ReclaimPolicy } from './vmscan.js';
import { type Work, WorkToken } from './work.js';
import { type AllocRequest, type ZoneAlloc, ZoneAllocToken } from './zone-alloc.js';

/** What reclaim of a group may do. */
export interface MemcgReclaim {
  /** Asked for by a user, not by need: names the counters, and ends with a demotion that failed. */
  readonly proactive: boolean;
  readonly swappiness: number | null;
}

/** Reclaim by the one who needs the pages (mm/vmscan.c:do_try_to_free_pages). */
@injectable()
export class DirectReclaim {
  private readonly groupSite = Sites.index('vmscan.try_to_free_mem_cgroup_pages');
  private readonly shrinkSite = Sites.index('vmscan.shrink_zones');

  constructor(
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(ReclaimPolicy) private readonly reclaim: ReclaimPolicy,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** One run over the zonelist's nodes (try_to_free_pages). @returns pages reclaimed */
  tryToFreePages(request: AllocRequest): number {
    const sc = scanControl({ nrToReclaim: SWAP_CLUSTER_MAX, order: request.order });
    const zones = this.zoneAlloc
      .zonelist(request)
      .filter((zone) => this.zoneAlloc.nodeAllowed(request, zone.nid));
    const stall = Vmstat.index('allocstall_dma') + gfpZone(request.gfp);
    this.run(zones, sc, () => this.vmstat.add(stall, 1));
    const tp = this.tracepoints.mm_vmscan_direct_reclaim;
    if (tp.enabled) tp.emit(request.nid, request.order, sc.nrReclaimed);
    return sc.nrReclaimed;
  }

  /**
   * Makes room in a group and those below it, from the node of the running CPU on
   * (try_to_free_mem_cgroup_pages). @returns pages reclaimed, demoted ones included
   */
  tryToFreeMemCgroupPages(memcg: MemCgroup, pages: number, options: MemcgReclaim): number {
    const sc = scanControl({
      nrToReclaim: Math.max(pages, SWAP_CLUSTER_MAX),
      order: 0,
      reclaimer: options.proactive ? 'proactive' : 'direct',
      targetMemcg: memcg,
      swappiness: options.swappiness,
    });
    const { fallback } = this.nodes.pgdat(this.work.cpuNid);
    this.run([...fallback, ...this.zonesApart()], sc, () => undefined);
    return sc.nrReclaimed;
  }

  /** What no ordinary zonelist has, where reclaim for groups is to go there. */
  private zonesApart(): readonly Zone[] {
    const apart = this.nodes.inState(N_MEMORY_PRIVATE);
    const visited = this.managed.nodes_for_group_reclaim(this.groupSite, apart);
    return visited.flatMap((nid) => this.nodes.pgdat(nid).zones);
  }

  /** Priorities 12 to 0; again with what the passes skipped, as long as nothing was found. */
  private run(zones: readonly Zone[], sc: ScanControl, onEntry: () => void): void {
    this.work.enterMemalloc();
    do {
      onEntry();
      sc.priority = DEF_PRIORITY;
      for (;;) {
        this.shrinkZones(zones, sc);
        if (sc.nrReclaimed >= sc.nrToReclaim || sc.priority <= 0) break;
        sc.priority--;
      }
      const memcg = sc.targetMemcg?.id ?? 0;
      for (const { nid } of zones) this.lru.lruvec(memcg, nid).snapshotRefaults();
    } while (sc.nrReclaimed === 0 && tryHarder(hintsOf(sc)));
    this.work.leaveMemalloc();
  }

  private shrinkZones(zones: readonly Zone[], sc: ScanControl): void {
    const seen = new Set<number>();
    for (const zone of zones) {
      if (seen.has(zone.nid)) continue;
      seen.add(zone.nid);
      if (!this.managed.zone_reclaim_allowed(this.shrinkSite, zone.nid)) continue;
      const batches = this.reclaim.shrinkNode(this.nodes.pgdat(zone.nid), sc);
      while (!batches.next().done);
    }
  }
}
export const DirectReclaimToken = createToken<DirectReclaim>('DirectReclaim');

type Wanted = Pick<ScanControl, 'nrToReclaim' | 'order'> & Partial<ScanControl>;

/** A run that may do everything, unless told otherwise. */
export function scanControl(wanted: Wanted): ScanControl {
  return {
    reclaimer: 'direct',
    priority: DEF_PRIORITY,
    maySwap: true,
    mayDemote: true,
    nrScanned: 0,
    nrReclaimed: 0,
    targetMemcg: null,
    swappiness: null,
    hints: noHints(),
    ...wanted,
  };
}

/** Takes up one thing that was spared so far. @returns was there one? */
function tryHarder(hints: ScanHints): boolean {
  if (!hints.memcgFullWalk) {
    hints.memcgFullWalk = true;
    return true;
  }
  if (hints.skippedDeactivate) {
    hints.forceDeactivate = true;
    hints.skippedDeactivate = false;
    return true;
  }
  if (!hints.memcgLowSkipped) return false;
  hints.forceDeactivate = false;
  hints.memcgLowReclaim = true;
  hints.memcgLowSkipped = false;
  return true;
}
