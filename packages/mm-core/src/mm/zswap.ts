import { PAGE_SIZE } from '../abi/zone.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import { PageData } from '../hooks/page-data.js';
import type { MemCgroup } from '../mem/memcg.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CostModel, swapCodecOf } from './cost-model.js';
import { SavedMemory } from './saved-memory.js';
import { type Work, WorkToken } from './work.js';
import { ZswapParams } from './zswap-params.js';
import { type ZswapShrink, ZswapShrinkToken } from './zswap-shrink.js';
import { type ZswapTree, ZswapTreeToken } from './zswap-tree.js';

/** A folio on its way to swap. */
export interface ZswapStore {
  /** Slots of its pages, and the names of what they hold. */
  readonly slots: readonly number[];
  readonly keys: readonly number[];
  readonly memcg: MemCgroup;
  readonly nid: number;
  /** Is it anonymous, and not of shared memory? */
  readonly isAnon: boolean;
}

/**
 * Compressed pages in memory in front of a swap device (mm/zswap.c of 7.3). A page that does not
 * shrink is kept whole, unless its group may not write to the device: then it is refused. A page
 * that is read leaves. Off unless `MachineConfig.zswap` or its parameter files say otherwise.
 */
@injectable()
export class Zswap {
  /** Was it on at any time (zswap_ever_enabled)? */
  everEnabled: boolean;
  /** Counters by their names in /sys/kernel/debug/zswap, bytes for `pool_total_size`. */
  readonly debug: Readonly<Record<string, () => number>> = {
    pool_limit_hit: () => this.rejects.limit,
    reject_reclaim_fail: () => this.shrink.rejectReclaimFail,
    reject_alloc_fail: () => this.rejects.alloc,
    reject_compress_fail: () => this.rejects.compress,
    written_back_pages: () => this.shrink.writtenBack,
    pool_total_size: () => this.tree.pages() * PAGE_SIZE,
    stored_pages: () => this.tree.stored,
    stored_incompressible_pages: () => this.tree.incompressible,
  };
  /** Why pages were not taken. */
  private readonly rejects = { limit: 0, alloc: 0, compress: 0 };
  private readonly zswpin = Vmstat.index('zswpin');
  private readonly zswpout = Vmstat.index('zswpout');
  private readonly saved: SavedMemory;
  /** The pool hit its limit and is not down to its threshold yet (zswap_pool_reached_full). */
  private reachedFull = false;

  constructor(
    @inject(ZswapParams) private readonly params: ZswapParams,
    @inject(ZswapTreeToken) private readonly tree: ZswapTree,
    @inject(ZswapShrinkToken) private readonly shrink: ZswapShrink,
    @inject(PageData) private readonly data: PageData,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) clock: Clock,
  ) {
    this.everEnabled = params.enabled;
    this.saved = new SavedMemory(clock);
  }

  /** A write to the parameter `enabled`. */
  setEnabled(enabled: boolean): void {
    this.params.enabled = enabled;
    this.everEnabled ||= enabled;
  }

  has(slot: number): boolean {
    return this.tree.get(slot) !== null;
  }

  mayWriteback(memcg: MemCgroup): boolean {
    return this.shrink.mayWriteback(memcg);
  }

  /** zswap_store: all pages or none. @returns did it take them? */
  store(request: ZswapStore): boolean {
    if (!this.everEnabled) return false;
    const taken = this.params.enabled && this.take(request);
    if (!taken) for (const slot of request.slots) this.tree.remove(slot);
    this.noteSaved();
    return taken;
  }

  /** zswap_load: the page leaves. @returns was it here? */
  load(slot: number): boolean {
    const entry = this.tree.get(slot);
    if (entry === null) return false;
    this.work.charge(this.cost.decompressNs(entry.length < PAGE_SIZE ? entry.codec : null));
    this.count(entry.memcg, this.zswpin, 1);
    this.tree.remove(slot);
    this.noteSaved();
    return true;
  }

  /** The slot is free again (zswap_invalidate). */
  invalidate(slot: number): void {
    if (this.tree.remove(slot)) this.noteSaved();
  }

  /** A page came from the device instead. */
  noteSwapin(memcg: MemCgroup, nid: number): void {
    if (this.everEnabled) this.shrink.noteSwapin(memcg, nid);
  }

  /** Slots whose pages it holds, after a recount of everything. */
  verify(): readonly number[] {
    return this.tree.verify();
  }

  stats(): Readonly<Record<string, number>> {
    if (!this.everEnabled) return {};
    const stats: Record<string, number> = { 'memory.saved_bytes.mean': this.saved.mean() };
    for (const [name, read] of Object.entries(this.debug)) stats[`zswap.${name}`] = read();
    return stats;
  }

  private take(request: ZswapStore): boolean {
    const { slots, memcg } = request;
    if (!mayZswap(memcg) && this.shrink.shrinkMemcg(memcg) < 0) return this.refused();
    if (this.isFull()) return this.refused();
    for (let at = 0; at < slots.length; at++) {
      if (!this.storePage(request, at)) return this.refused();
    }
    this.count(memcg, this.zswpout, slots.length);
    return true;
  }

  private refused(): false {
    if (this.reachedFull) this.shrink.queueWork();
    return false;
  }

  /** zswap_check_limits. */
  private isFull(): boolean {
    const pages = this.tree.pages();
    if (pages >= this.shrink.maxPages()) {
      this.rejects.limit++;
      this.reachedFull = true;
    } else if (pages <= this.shrink.acceptPages()) {
      this.reachedFull = false;
    }
    return this.reachedFull;
  }

  /** zswap_store_page, zswap_compress. */
  private storePage({ slots, keys, memcg, nid, isAnon }: ZswapStore, at: number): boolean {
    const { compressor } = this.params;
    const key = keys[at] ?? 0;
    const slot = slots[at] ?? 0;
    const codec = swapCodecOf(compressor);
    this.work.charge(this.cost.swapOutNs(codec));
    const size = Math.max(1, this.data.compressedSize(key, compressor, PAGE_SIZE));
    if (size >= PAGE_SIZE && !this.shrink.mayWriteback(memcg)) {
      this.rejects.compress++;
      return false;
    }
    const length = Math.min(size, PAGE_SIZE);
    const pool = this.tree.poolOf(compressor);
    const handle = pool.malloc(length, nid);
    if (handle < 0) {
      this.rejects.alloc++;
      return false;
    }
    const of = { memcg, nid: this.tree.listNid(nid), isAnon };
    this.tree.add({ slot, key, length, codec, pool, handle, ...of, referenced: true });
    return true;
  }

  private count(memcg: MemCgroup, event: number, by: number): void {
    this.vmstat.add(event, by);
    if (memcg.parent !== null) memcg.count(event, by);
  }

  private noteSaved(): void {
    this.saved.note((this.tree.stored - this.tree.pages()) * PAGE_SIZE);
  }
}
export const ZswapToken = createToken<Zswap>('Zswap');

/** Is no group above its limit (obj_cgroup_may_zswap)? */
function mayZswap(memcg: MemCgroup): boolean {
  for (let at: MemCgroup | null = memcg; at !== null && at.parent !== null; at = at.parent) {
    if (at.zswap.max === Infinity) continue;
    if (Math.floor(at.zswapTotal().bytes / PAGE_SIZE) >= at.zswap.max) return false;
  }
  return true;
}
