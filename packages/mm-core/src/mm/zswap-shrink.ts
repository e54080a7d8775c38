import { EAGAIN, EEXIST, ENOENT, ENOMEM } from '../abi/errno.js';
import { N_MEMORY } from '../abi/node-states.js';
import { PAGE_SIZE } from '../abi/zone.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CostModel } from './cost-model.js';
import { MAX_RECLAIM_RETRIES, SWAP_CLUSTER_MAX } from './scan-control.js';
import { SHRINK_STOP, type ShrinkControl, type Shrinker } from './shrinker.js';
import { type SwapCache, SwapCacheToken } from './swap-cache.js';
import { type SwapDevice, SwapDeviceToken } from './swap-device.js';
import { type Work, WorkToken } from './work.js';
import { ZswapParams } from './zswap-params.js';
import { type ZswapEntry, type ZswapTree, ZswapTreeToken } from './zswap-tree.js';

/** Pages of the swap cache that writeback goes through. */
export interface WritebackPages {
  /** @returns a page of the swap cache that holds the same, clean; -1: there is none to be had */
  bringIn(entry: ZswapEntry, nid: number): number;
  /** The page could not be written. */
  giveUp(folio: number): void;
}

/** What a walk over old entries came to. */
interface Walked {
  scanned: number;
  written: number;
  /** Met a page that is in the swap cache again. */
  metCached: boolean;
}

/**
 * Writes the oldest pages of zswap to the swap device (mm/zswap.c: shrink_memcg, shrink_worker, the
 * shrinker). An entry that came since the last look gets a second chance.
 *
 * Simplified: the worker runs in one moment, and gives up where it would have to reclaim.
 */
@injectable()
export class ZswapShrink implements Shrinker {
  readonly name = 'mm-zswap';
  readonly isMemcgAware = true;
  writtenBack = 0;
  rejectReclaimFail = 0;
  private readonly zswpwb = Vmstat.index('zswpwb');
  private readonly pswpout = Vmstat.index('pswpout');
  /** Pages read from the device by group and node, which protect as many (nr_disk_swapins). */
  private readonly diskSwapins = new Map<string, number>();
  /** Where the worker's walk over groups stopped (zswap_next_shrink). */
  private next: MemCgroup | null = null;
  /** Set when the machine is wired: swap itself is above zswap. */
  pages: WritebackPages | null = null;
  private isQueued = false;

  constructor(
    @inject(ZswapParams) private readonly params: ZswapParams,
    @inject(ZswapTreeToken) private readonly tree: ZswapTree,
    @inject(SwapDeviceToken) private readonly device: SwapDevice,
    @inject(SwapCacheToken) private readonly cache: SwapCache,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** The most that the pool may take, in pages (zswap_max_pages). */
  maxPages(): number {
    const pages = [...this.nodes.all()].reduce((sum, pgdat) => sum + pgdat.managedPages(), 0);
    return Math.floor((pages * this.params.max_pool_percent) / 100);
  }

  /** Down to so many pages a full pool is emptied (zswap_accept_thr_pages). */
  acceptPages(): number {
    return Math.floor((this.maxPages() * this.params.accept_threshold_percent) / 100);
  }

  /** May pages of the group go to the device (mem_cgroup_zswap_writeback_enabled)? */
  mayWriteback(memcg: MemCgroup | null): boolean {
    if (!this.params.enabled) return true;
    for (let at = memcg; at !== null; at = at.parent) if (!at.zswap.writeback) return false;
    return true;
  }

  /** queue_work(zswap_shrink_work): a worker wakes up as fast as kswapd does. */
  queueWork(): void {
    if (this.isQueued) return;
    this.isQueued = true;
    this.clock.after(this.cost.ns.kswapdWake, () => {
      this.isQueued = false;
      this.shrinkToThreshold();
    });
  }

  /**
   * Scans a cluster of each list of the group.
   * @returns 0 if a page was written; -EAGAIN if none was; -ENOENT if there is none to look at
   */
  shrinkMemcg(memcg: MemCgroup): number {
    if (!this.mayWriteback(memcg) || !memcg.online) return -ENOENT;
    let scanned = 0;
    let written = 0;
    for (const nid of this.nodes.inState(N_MEMORY)) {
      const walked = this.walk(memcg, nid, SWAP_CLUSTER_MAX, false);
      scanned += walked.scanned;
      written += walked.written;
    }
    if (scanned === 0) return -ENOENT;
    return written > 0 ? 0 : -EAGAIN;
  }

  /** A page was read from the device: too much was written back (zswap_folio_swapin). */
  noteSwapin(memcg: MemCgroup, nid: number): void {
    const key = listKey(memcg, nid);
    this.diskSwapins.set(key, (this.diskSwapins.get(key) ?? 0) + 1);
  }

  /** zswap_shrinker_count: fewer the better they compress, and less what was read from disk. */
  countObjects({ nid, memcg: id }: ShrinkControl): number {
    const memcg = id === null ? null : this.memcgs.get(id);
    if (!this.params.shrinker_enabled || !this.mayWriteback(memcg)) return 0;
    const { bytes, pages } = this.tree.usage(memcg);
    const freeable = this.tree.count(memcg, nid);
    if (pages === 0 || freeable === 0) return 0;
    const key = listKey(memcg ?? this.memcgs.root, nid);
    const swapins = this.diskSwapins.get(key) ?? 0;
    this.diskSwapins.set(key, Math.max(0, swapins - freeable));
    const left = freeable - Math.min(freeable, swapins);
    return Math.floor((left * Math.floor(bytes / PAGE_SIZE)) / pages);
  }

  /** zswap_shrinker_scan. */
  scanObjects({ nid, memcg: id, nrToScan }: ShrinkControl): number {
    const memcg = id === null ? null : this.memcgs.get(id);
    if (!this.params.shrinker_enabled || !this.mayWriteback(memcg)) return SHRINK_STOP;
    const { written, metCached } = this.walk(memcg, nid, nrToScan, true);
    return metCached || written === 0 ? SHRINK_STOP : written;
  }

  /** shrink_worker: the groups in turn, until the pool is below its threshold. */
  private shrinkToThreshold(): void {
    let failures = 0;
    let attempts = 0;
    do {
      const memcg = this.nextMemcg();
      if (memcg === null) {
        if (attempts === 0 && ++failures === MAX_RECLAIM_RETRIES) return;
        attempts = 0;
        continue;
      }
      const rc = this.shrinkMemcg(memcg);
      if (rc === -ENOENT) continue;
      attempts++;
      if (rc < 0 && ++failures === MAX_RECLAIM_RETRIES) return;
    } while (this.tree.pages() > this.acceptPages());
  }

  /** The next group that is not gone; null once behind the last (mem_cgroup_iter). */
  private nextMemcg(): MemCgroup | null {
    const all = this.memcgs.below(this.memcgs.root).filter(({ online }) => online);
    const at = this.next === null ? 0 : all.indexOf(this.next) + 1;
    this.next = all[at] ?? null;
    return this.next;
  }

  /** list_lru_walk_one with shrink_memcg_cb. */
  private walk(memcg: MemCgroup | null, nid: number, nrToScan: number, stops: boolean): Walked {
    const walked: Walked = { scanned: 0, written: 0, metCached: false };
    for (const entry of this.tree.oldest(memcg, nid)) {
      if (walked.scanned === nrToScan) break;
      walked.scanned++;
      this.tree.rotate(entry);
      if (entry.referenced) {
        entry.referenced = false;
        continue;
      }
      const rc = this.writeback(entry);
      if (rc === 0) walked.written++;
      walked.metCached ||= rc === -EEXIST;
      if (rc === -EEXIST && stops) break;
    }
    return walked;
  }

  /** zswap_writeback_entry. @returns 0; -EEXIST if it is in the swap cache; -errno */
  private writeback(entry: ZswapEntry): number {
    const rc = this.cache.folioOf(entry.slot) >= 0 ? -EEXIST : this.writeThrough(entry);
    if (rc < 0) {
      this.rejectReclaimFail++;
      return rc;
    }
    this.writtenBack++;
    for (const event of [this.zswpwb, this.pswpout]) {
      this.vmstat.add(event, 1);
      if (entry.memcg.parent !== null) entry.memcg.count(event, 1);
    }
    this.tree.remove(entry.slot);
    return 0;
  }

  private writeThrough(entry: ZswapEntry): number {
    const nid = this.tree.listNid(this.work.cpuNid);
    const folio = this.pages?.bringIn(entry, nid) ?? -1;
    if (folio < 0) return -ENOMEM;
    this.work.charge(this.cost.decompressNs(entry.length < PAGE_SIZE ? entry.codec : null));
    const rc = this.device.store(entry.slot, entry.key, nid);
    if (rc < 0) this.pages?.giveUp(folio);
    return rc;
  }
}
export const ZswapShrinkToken = createToken<ZswapShrink>('ZswapShrink');

function listKey(memcg: MemCgroup, nid: number): string {
  return `${memcg.group.id} ${nid}`;
}
