import { __GFP_DIRECT_RECLAIM } from '../abi/gfp.js';
import { N_CPU } from '../abi/node-states.js';
import { PG_dirty, PG_swapbacked } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import { LRU_ACTIVE_FILE, LRU_INACTIVE_FILE } from '../mem/lruvec.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import { scanControl } from './direct-reclaim.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
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
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PageCacheToken) private readonly cache: PageCache,
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
    this.passes(nid, 1 << order, sc);
    this.busy.delete(nid);
    const done = sc.nrReclaimed >= 1 << order;
    this.vmstat.count(done ? 'zone_reclaim_success' : 'zone_reclaim_failed');
    return true;
  }

  /** A program asked, with a run of its own (user_proactive_reclaim). */
  run(nid: number, pages: number, sc: ScanControl): void {
    if (this.hasEnough(nid)) this.passes(nid, pages, sc);
  }

  /**
   * Passes of falling priority until so many pages came (__node_reclaim). The caller has seen that
   * there is enough: the kernel reads the counters again here, and nothing changed since.
   */
  private passes(nid: number, pages: number, sc: ScanControl): void {
    this.work.enterMemalloc();
    do {
      const batches = this.policy.shrinkNode(this.nodes.pgdat(nid), sc);
      while (!batches.next().done);
      sc.priority--;
    } while (sc.nrReclaimed < pages && sc.priority >= 0);
    this.work.leaveMemalloc();
  }

  /**
   * Page cache above min_unmapped_ratio, or slab above min_slab_ratio. Simplified: this model has
   * no slab, and the kernel's is taken to lie on nodes with CPUs, below any ratio but 0.
   */
  private hasEnough(nid: number): boolean {
    if (this.reclaimableCache(nid) > this.minUnmapped(nid)) return true;
    return this.sysctl.min_slab_ratio === 0 && this.nodes.hasState(nid, N_CPU);
  }

  /** min_unmapped_pages: each zone gives its share. */
  private minUnmapped(nid: number): number {
    const { min_unmapped_ratio: percent } = this.sysctl;
    const shares = this.nodes
      .pgdat(nid)
      .zones.map(({ managedPages }) => Math.floor((managedPages * percent) / 100));
    return shares.reduce((sum, share) => sum + share, 0);
  }

  /**
   * Cached pages of a node that could go without being written (node_pagecache_reclaimable): all if
   * the mode unmaps, else those on the lists of files less those that are mapped, shared memory
   * included. Simplified: the swap cache is left out.
   */
  private reclaimableCache(nid: number): number {
    const listed = this.lru.size(nid, LRU_ACTIVE_FILE) + this.lru.size(nid, LRU_INACTIVE_FILE);
    const unmaps = (this.sysctl.zone_reclaim_mode & RECLAIM_UNMAP) !== 0;
    if (listed === 0 && !unmaps) return 0;
    const { cached, mapped, dirty } = this.countCache(nid);
    return Math.max(0, (unmaps ? cached : Math.max(0, listed - mapped)) - dirty);
  }

  /** NR_FILE_PAGES, NR_FILE_MAPPED and NR_FILE_DIRTY of a node; shared memory is never dirty. */
  private countCache(nid: number): { cached: number; mapped: number; dirty: number } {
    const count = { cached: 0, mapped: 0, dirty: 0 };
    for (const folio of this.cache.folioList()) {
      if (this.nodes.nidOf(folio) !== nid) continue;
      const pages = this.table.nrPages(folio);
      count.cached += pages;
      for (let at = 0; at < pages; at++)
        count.mapped += Number(this.table.mapcount[folio + at]! > 0);
      if (this.table.has(folio, PG_dirty) && !this.table.has(folio, PG_swapbacked)) {
        count.dirty += pages;
      }
    }
    return count;
  }
}
export const NodeReclaimToken = createToken<NodeReclaim>('NodeReclaim');
