import { __GFP_DIRECT_RECLAIM } from '../abi/gfp.js';
import { N_CPU } from '../abi/node-states.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import { LRU_ACTIVE_FILE, LRU_INACTIVE_FILE } from '../mem/lruvec.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import { scanControl } from './direct-reclaim.js';
import { type ScanControl, SWAP_CLUSTER_MAX } from './scan-control.js';
import { Sysctl } from './sysctl.js';
import { ReclaimPolicy } from './vmscan.js';
import { type Work, WorkToken } from './work.js';
import { type AllocRequest, type ZoneAlloc, ZoneAllocToken } from './zone-alloc.js';

/** Bit of vm.zone_reclaim_mode: mapped pages may go too; any bit turns it on. */
const RECLAIM_UNMAP = 4;

/** Priority of the first pass (NODE_RECLAIM_PRIORITY). */
const NODE_RECLAIM_PRIORITY = 4;

/**
 * Reclaim inside a node before the next one is used (mm/vmscan.c:node_reclaim). One at a time works
 * on a node.
 */
@injectable()
export class NodeReclaim {
  private readonly busy = new Set<number>();

  constructor(
    @inject(ReclaimPolicy) private readonly policy: ReclaimPolicy,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(WorkToken) private readonly work: Work,
    @inject(ZoneAllocToken) zoneAlloc: ZoneAlloc,
  ) {
    zoneAlloc.nodeReclaim = (nid, request) => this.forRequest(nid, request);
  }

  /** A walk found the node below its mark. @returns is the mark worth another look? */
  private forRequest(nid: number, { gfp, order }: AllocRequest): boolean {
    if (!this.hasEnough(nid) || this.busy.has(nid)) return false;
    if ((gfp & __GFP_DIRECT_RECLAIM) === 0 || this.work.inMemalloc()) return false;
    if (this.nodes.hasState(nid, N_CPU) && nid !== this.work.cpuNid) return false;
    this.busy.add(nid);
    const sc = scanControl({
      nrToReclaim: Math.max(1 << order, SWAP_CLUSTER_MAX),
      order,
      priority: NODE_RECLAIM_PRIORITY,
      mayUnmap: (this.sysctl.zone_reclaim_mode & RECLAIM_UNMAP) !== 0,
    });
    this.run(nid, 1 << order, sc);
    this.busy.delete(nid);
    const done = sc.nrReclaimed >= 1 << order;
    this.vmstat.count(done ? 'zone_reclaim_success' : 'zone_reclaim_failed');
    return true;
  }

  /** Passes of falling priority until so many pages came or there is none (__node_reclaim). */
  run(nid: number, pages: number, sc: ScanControl): void {
    if (!this.hasEnough(nid)) return;
    this.work.enterMemalloc();
    do {
      const batches = this.policy.shrinkNode(this.nodes.pgdat(nid), sc);
      while (!batches.next().done);
      sc.priority--;
    } while (sc.nrReclaimed < pages && sc.priority >= 0);
    this.work.leaveMemalloc();
  }

  /**
   * Page cache above min_unmapped_ratio, or slab above min_slab_ratio. Simplified: mapped and dirty
   * pages count as well (node_pagecache_reclaimable leaves them out unless the mode unmaps or
   * writes); this model has no slab, and the kernel's is taken to lie on nodes with CPUs, below any
   * ratio but 0.
   */
  private hasEnough(nid: number): boolean {
    const managed = this.nodes.pgdat(nid).managedPages();
    const cache = this.lru.size(nid, LRU_ACTIVE_FILE) + this.lru.size(nid, LRU_INACTIVE_FILE);
    if (cache > Math.floor((managed * this.sysctl.min_unmapped_ratio) / 100)) return true;
    return this.sysctl.min_slab_ratio === 0 && this.nodes.hasState(nid, N_CPU);
  }
}
export const NodeReclaimToken = createToken<NodeReclaim>('NodeReclaim');
