import { ENOMEM } from '../abi/errno.js';
import {
  __GFP_DIRECT_RECLAIM,
  __GFP_HIGH,
  __GFP_NORETRY,
  __GFP_RETRY_MAYFAIL,
  GFP_KERNEL,
} from '../abi/gfp.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { Cgroup } from '../mem/cgroup.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import {
  MEMCG_CHARGE_BATCH,
  type MemCgroup,
  type MemCgroups,
  MemCgroupsToken,
} from '../mem/memcg.js';
import type { MmStruct } from '../mem/vma.js';
import { type CgroupSubsystem, type CgroupTree, CgroupTreeToken } from './cgroup.js';
import { type DirectReclaim, DirectReclaimToken } from './direct-reclaim.js';
import { highPenalty } from './memcg-high.js';
import { type OomKill, OomKillToken } from './oom-kill.js';
import { MAX_RECLAIM_RETRIES, SWAP_CLUSTER_MAX } from './scan-control.js';
import { type Work, WorkToken } from './work.js';

/** Orders above this are costly: no kill for them (PAGE_ALLOC_COSTLY_ORDER). */
const PAGE_ALLOC_COSTLY_ORDER = 3;
/** Limits are enforced without end in the kernel; here after so many kills it is a bug. */
const KILLS_MAX = 64;

/** As needed, and with the machine's swappiness. */
const BY_NEED = { proactive: false, swappiness: null };

/**
 * The memory controller (mm/memcontrol.c): charges pages to the group of the address space they are
 * made for, and holds groups to their limits. A task that moves takes no charges along. Simplified:
 * one stock for each group instead of one for each CPU; a charge above memory.high is paid at once,
 * not on the way back to user mode, and nobody sleeps for it.
 */
@injectable()
export class Memcontrol implements CgroupSubsystem {
  readonly name = 'memory';
  /** Page tables by address space and the group that they are charged to. */
  private readonly tables = new Map<number, Map<MemCgroup, number>>();

  constructor(
    @inject(CgroupTreeToken) tree: CgroupTree,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(DirectReclaimToken) private readonly reclaim: DirectReclaim,
    @inject(OomKillToken) private readonly oom: OomKill,
    @inject(WorkToken) private readonly work: Work,
  ) {
    tree.register(this);
  }

  online(group: Cgroup): void {
    if (group.parent === null) return;
    const made = this.memcgs.create(group, this.memcgs.ofGroup(group.parent));
    if (made !== null) this.lru.renew(made.id);
  }

  /** What is still charged stays so; the stock goes back. */
  offline(group: Cgroup): void {
    const memcg = this.memcgs.ofGroup(group);
    memcg.drainStock();
    memcg.online = false;
  }

  /**
   * Charges a fresh folio to the group of the address space (mem_cgroup_charge).
   * @returns 0 or -ENOMEM
   */
  charge(folio: number, mm: MmStruct | null, gfp: number): number {
    const memcg = mm === null ? this.memcgs.root : this.memcgs.ofMm(mm);
    return this.chargeTo(folio, memcg, gfp);
  }

  /** The same to a group that is known, as a page that comes back from swap. */
  chargeTo(folio: number, memcg: MemCgroup, gfp: number): number {
    if (memcg.parent === null) return 0;
    const rc = this.tryCharge(memcg, this.table.nrPages(folio), gfp);
    if (rc === 0) this.memcgs.commit(folio, memcg);
    return rc;
  }

  /** Charges page tables of an address space; nobody refuses them here (obj_cgroup_charge). */
  chargeTables(mm: MmStruct, pages: number): void {
    const memcg = this.memcgs.ofMm(mm);
    if (memcg.parent === null) return;
    if (this.tryCharge(memcg, pages, GFP_KERNEL) < 0) memcg.memory.charge(pages);
    memcg.kernelPages += pages;
    const tables = this.tables.get(mm.id) ?? new Map<MemCgroup, number>();
    this.tables.set(mm.id, tables);
    tables.set(memcg, (tables.get(memcg) ?? 0) + pages);
  }

  /**
   * Charges small objects of the kernel's own, by the byte: a page of the stock at most, which gets
   * the rest back (obj_cgroup_charge). Without a stock that is a whole batch.
   */
  chargeObjects(mm: MmStruct): void {
    const memcg = this.memcgs.ofMm(mm);
    if (memcg.parent !== null && this.tryCharge(memcg, 1, GFP_KERNEL) === 0) memcg.stock += 1;
  }

  /** The address space is gone, and its page tables with it. */
  releaseTables(mm: MmStruct): void {
    for (const [memcg, pages] of this.tables.get(mm.id) ?? []) {
      memcg.memory.uncharge(pages);
      memcg.kernelPages -= pages;
    }
    this.tables.delete(mm.id);
  }

  /** Writes memory.max: makes room, and kills where there is none to make (memory_max_write). */
  setMax(memcg: MemCgroup, pages: number): void {
    const { memory } = memcg;
    memory.max = pages;
    if (memory.usage > pages) this.drainAll(memcg);
    let fruitless = 0;
    for (let kills = 0; memory.usage > pages && kills < KILLS_MAX; ) {
      if (fruitless < MAX_RECLAIM_RETRIES) {
        const got = this.reclaim.tryToFreeMemCgroupPages(memcg, memory.usage - pages, BY_NEED);
        if (got === 0) fruitless++;
        continue;
      }
      memcg.event('oom');
      if (!this.oom.memCgroupOutOfMemory(memcg)) return;
      // The next look finds the victim on its way out; then its memory is there.
      memcg.event('oom');
      kills++;
    }
  }

  /** Writes memory.high: makes room until 16 tries were in vain (memory_high_write). */
  setHigh(memcg: MemCgroup, pages: number): void {
    const { memory } = memcg;
    memory.high = pages;
    if (memory.usage > pages) this.drainAll(memcg);
    for (let fruitless = 0; memory.usage > pages && fruitless <= MAX_RECLAIM_RETRIES; ) {
      const got = this.reclaim.tryToFreeMemCgroupPages(memcg, memory.usage - pages, BY_NEED);
      if (got === 0) fruitless++;
    }
  }

  private drainAll(memcg: MemCgroup): void {
    for (const below of this.memcgs.below(memcg)) below.drainStock();
  }

  /** From the stock, or in a batch if the limit allows it (try_charge_memcg). */
  private tryCharge(memcg: MemCgroup, pages: number, gfp: number): number {
    if (memcg.stock >= pages) {
      memcg.stock -= pages;
      return 0;
    }
    const batch = Math.max(MEMCG_CHARGE_BATCH, pages);
    if (memcg.memory.tryCharge(batch) === null) {
      memcg.stock += batch - pages;
      this.overHigh(memcg, batch, gfp);
      return 0;
    }
    if (this.work.inMemalloc()) {
      memcg.memory.charge(pages);
      return 0;
    }
    const rc = this.makeRoom(memcg, pages, gfp);
    if (rc === 0) this.overHigh(memcg, pages, gfp);
    return rc;
  }

  /** Reclaims and kills until the pages fit; -ENOMEM if that is not to be had. */
  private makeRoom(memcg: MemCgroup, pages: number, gfp: number): number {
    let retries = MAX_RECLAIM_RETRIES;
    let drained = false;
    for (let kills = 0; kills < KILLS_MAX; ) {
      const full = memcg.memory.tryCharge(pages);
      if (full === null) return 0;
      if ((gfp & __GFP_DIRECT_RECLAIM) === 0) return this.refuse(memcg, pages, gfp);
      const over = groupOf(memcg, full);
      over.event('max');
      const got = this.reclaim.tryToFreeMemCgroupPages(over, pages, BY_NEED);
      if (over.margin() >= pages) continue;
      if (!drained) {
        this.drainAll(over);
        drained = true;
        continue;
      }
      if ((gfp & __GFP_NORETRY) !== 0) return this.refuse(memcg, pages, gfp);
      if (got > 0 && pages <= 1 << PAGE_ALLOC_COSTLY_ORDER) continue;
      if (retries-- > 0) continue;
      if ((gfp & __GFP_RETRY_MAYFAIL) !== 0) return this.refuse(memcg, pages, gfp);
      if (kills > 0 && this.isDying()) return this.refuse(memcg, pages, gfp);
      if (!this.kill(over, pages)) return this.refuse(memcg, pages, gfp);
      kills++;
      retries = MAX_RECLAIM_RETRIES;
    }
    return this.refuse(memcg, pages, gfp);
  }

  private isDying(): boolean {
    const { current } = this.work;
    return current !== null && this.oom.isVictim(current.mm.id);
  }

  /** mem_cgroup_oom: @returns is there hope now? */
  private kill(memcg: MemCgroup, pages: number): boolean {
    if (pages > 1 << PAGE_ALLOC_COSTLY_ORDER) return false;
    memcg.event('oom');
    return this.oom.memCgroupOutOfMemory(memcg);
  }

  private refuse(memcg: MemCgroup, pages: number, gfp: number): number {
    if ((gfp & __GFP_HIGH) === 0) return -ENOMEM;
    memcg.memory.charge(pages);
    return 0;
  }

  /** A charge took the group or one above it over memory.high (mem_cgroup_handle_over_high). */
  private overHigh(memcg: MemCgroup, pages: number, gfp: number): void {
    if (this.work.inMemalloc() || (gfp & __GFP_DIRECT_RECLAIM) === 0) return;
    if (!isOverHigh(memcg)) return;
    let wanted = pages;
    for (let retries = MAX_RECLAIM_RETRIES; ; ) {
      const got = this.reclaimHigh(memcg, wanted);
      if (highPenalty(memcg, pages) === 0) return;
      if (got === 0 && retries-- === 0) return;
      wanted = SWAP_CLUSTER_MAX;
    }
  }

  private reclaimHigh(memcg: MemCgroup, pages: number): number {
    let reclaimed = 0;
    for (let at: MemCgroup | null = memcg; at !== null && at.parent !== null; at = at.parent) {
      if (at.memory.usage <= at.memory.high) continue;
      at.event('high');
      reclaimed += this.reclaim.tryToFreeMemCgroupPages(at, pages, BY_NEED);
    }
    return reclaimed;
  }
}
export const MemcontrolToken = createToken<Memcontrol>('Memcontrol');

/** The group whose counter said no. */
function groupOf(memcg: MemCgroup, full: MemCgroup['memory']): MemCgroup {
  let at = memcg;
  while (at.memory !== full && at.parent !== null) at = at.parent;
  return at;
}

function isOverHigh(memcg: MemCgroup): boolean {
  for (let at: MemCgroup | null = memcg; at !== null; at = at.parent) {
    if (at.memory.usage > at.memory.high) return true;
  }
  return false;
}
