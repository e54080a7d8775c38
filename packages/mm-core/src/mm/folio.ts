import {
  PG_active,
  PG_anon,
  PG_batched,
  PG_hugetlb,
  PG_isolated,
  PG_locked,
  PG_lru,
  PG_mlocked,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_unevictable,
  PG_workingset,
} from '../abi/page-flags.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CostModel } from './cost-model.js';
import { Sysctl } from './sysctl.js';
import { type Work, WorkToken } from './work.js';
import { type ZoneAlloc, ZoneAllocToken } from './zone-alloc.js';

/** Names the frames that somebody outside the mm holds a reference of. */
export type FrameHolder = () => Iterable<number>;

/** Folios per LRU batch (include/linux/folio_batch.h:PAGEVEC_SIZE). */
const PAGEVEC_SIZE = 31;

/**
 * References of folios and their way on and off the LRU lists (mm/folio.c, formerly mm/swap.c).
 *
 * LRU state of a folio: off --add--> batched (PG_batched, one more reference) --drain--> listed
 * (PG_lru)
 * --isolate--> isolated (PG_isolated, one more reference) --putback--> batched …; the last put from
 * listed takes it off.
 */
@injectable()
export class Folios {
  private readonly putSite = Sites.index('swap.__folio_put');
  private readonly batchSite = Sites.index('swap.folios_put_refs');
  private readonly lruSite = Sites.index('folio.folio_add_lru');
  private readonly reclaimSite = Sites.index('vmscan.shrink_folio_list');
  private readonly culled = Vmstat.index('unevictable_pgs_culled');
  private readonly pglazyfree = Vmstat.index('pglazyfree');
  /** The folio_add_lru batch of each node's CPUs; simplified: one batch per node with CPUs. */
  private readonly batches = new Map<number, number[]>();
  /** The lru_lazyfree batch; simplified: one for all CPUs. */
  private readonly lazyfree: number[] = [];
  private readonly holders: FrameHolder[] = [() => this.lazyfree];
  /** How often `lruCacheDisable` was called without its counterpart yet (lru_disable_count). */
  private batchesOff = 0;
  /** CPUs of the machine: each gets an IPI when all batches are drained. */
  cpus = 1;
  /** Takes a folio of the hugetlb pool whose last reference went. */
  onFreeHugetlb: (folio: number) => void = () => undefined;

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(Sysctl) private readonly sysctl: Sysctl,
  ) {}

  /** folio_get: the folio must have a reference already. */
  get(folio: number): void {
    assert(this.table.refcount[folio]! > 0, 'a reference is taken through another one');
    this.table.refcount[folio]! += 1;
  }

  /**
   * Takes a reference of a folio whose count is 0: only for a `free_folio` that keeps its folio and
   * answers true (RFC v4 patch 10). It will be called again when that reference goes.
   */
  resurrect(folio: number): void {
    assert(this.table.refcount[folio] === 0, 'only a folio being freed is kept');
    this.table.refcount[folio] = 1;
  }

  /** folio_put. */
  put(folio: number): void {
    this.putAt(folio, this.putSite);
  }

  /** folios_put_refs: the batched put of unmapping and exit. */
  putBatched(folio: number): void {
    this.putAt(folio, this.batchSite);
  }

  /** Puts a folio in this CPU's batch on the way to its LRU list (folio_add_lru). */
  addLru(folio: number): void {
    if (this.table.has(folio, PG_hugetlb)) return;
    if (!this.managed.folio_may_be_lru(this.lruSite, folio)) return;
    assert(!this.table.has(folio, PG_lru | PG_batched), 'a folio goes to the LRU once');
    this.get(folio);
    this.table.set(folio, PG_batched);
    if (this.lru.lruGenEnabled && this.work.inLruFault()) this.noteFault(folio);
    const batch = this.batchOf(this.work.cpuNid);
    batch.push(folio);
    const large = this.table.order[folio]! > 0;
    const full = batch.length >= PAGEVEC_SIZE;
    if (large || full || this.batchesOff > 0) this.drainBatch(batch);
  }

  /**
   * Reclaim may drop the folio's contents from when the batch is drained on, unless somebody
   * stores to it (folio_mark_lazyfree).
   */
  markLazyfree(folio: number): void {
    if (!this.mayBeLazyfree(folio) || !this.table.has(folio, PG_lru)) return;
    this.get(folio);
    const batch = this.lazyfree;
    batch.push(folio);
    const large = this.table.order[folio]! > 0;
    const full = batch.length >= PAGEVEC_SIZE;
    if (large || full || this.batchesOff > 0) this.drainLazyfree();
  }

  /** A page that a fault brings in was used once; before 7.1 it, later a known one is active. */
  private noteFault(folio: number): void {
    const isActive = this.sysctl.osrelease !== '7.3' || this.table.has(folio, PG_workingset);
    const used = isActive ? PG_active : PG_referenced;
    this.table.set(folio, used);
  }

  /** lru_add_drain: this CPU's batch. */
  lruAddDrain(): void {
    this.drainBatch(this.batchOf(this.work.cpuNid));
    this.drainLazyfree();
  }

  /** lru_add_drain_all: every CPU's batch; costs an IPI round. */
  lruAddDrainAll(): void {
    this.managed.might_sleep('lru_add_drain_all');
    this.work.charge(this.cost.lruDrainAllNs(this.cpus));
    for (const batch of this.batches.values()) this.drainBatch(batch);
    this.drainLazyfree();
  }

  /**
   * Runs something with every batch drained and none in use, so that what is put back may be taken
   * again at once (lru_cache_disable, lru_cache_enable).
   */
  withoutBatches<T>(run: () => T): T {
    this.lruCacheDisable();
    try {
      return run();
    } finally {
      this.lruCacheEnable();
    }
  }

  /** Drains every batch; until `lruCacheEnable` none is in use (lru_cache_disable). */
  lruCacheDisable(): void {
    this.lruAddDrainAll();
    this.batchesOff++;
  }

  /** Once for each `lruCacheDisable` (lru_cache_enable). */
  lruCacheEnable(): void {
    assert(this.batchesOff > 0, 'batches are in use already');
    this.batchesOff--;
  }

  /**
   * Takes a folio off its list for the caller, who gets a reference (folio_isolate_lru,
   * folio_isolate_hugetlb).
   */
  isolateLru(folio: number): boolean {
    const inPool = this.table.has(folio, PG_hugetlb) && !this.table.has(folio, PG_isolated);
    if (!inPool && !this.table.has(folio, PG_lru)) return false;
    if (!inPool) this.lru.remove(folio);
    this.table.set(folio, PG_isolated);
    this.get(folio);
    return true;
  }

  /** The same for eviction, which has decided what the folio's age says (isolate_folio). */
  isolateForEviction(folio: number): void {
    this.lru.removeForEviction(folio);
    this.table.set(folio, PG_isolated);
    this.get(folio);
  }

  /**
   * Gives an isolated folio back to the LRU and drops the isolation's reference
   * (folio_putback_lru).
   */
  putbackLru(folio: number): void {
    assert(this.table.has(folio, PG_isolated), 'only an isolated folio is put back');
    this.table.clear(folio, PG_isolated);
    this.addLru(folio);
    this.put(folio);
  }

  /**
   * Gives an isolated folio back straight to its list, not through a batch
   * (mm/vmscan.c:move_folios_to_lru).
   */
  moveToLru(folio: number): void {
    assert(this.table.has(folio, PG_isolated), 'only an isolated folio is put back');
    this.table.clear(folio, PG_isolated);
    if (this.table.refcount[folio]! > 1) this.link(folio);
    this.put(folio);
  }

  /** Drops the isolation and its reference of a folio that is done with. */
  dropIsolated(folio: number): void {
    assert(this.table.has(folio, PG_isolated), 'only an isolated folio is dropped');
    this.table.clear(folio, PG_isolated);
    this.put(folio);
  }

  /**
   * Frees an isolated folio that reclaim emptied; nobody else may hold it. This is not folio_put:
   * reclaim gives its folios to the allocator itself (mm/vmscan.c:shrink_folio_list).
   */
  freeReclaimed(folio: number): void {
    assert(this.table.has(folio, PG_isolated), 'only an isolated folio is freed by reclaim');
    assert(this.table.refcount[folio] === 1, 'reclaim holds the only reference');
    this.table.clear(folio, PG_isolated);
    this.table.refcount[folio] = 0;
    const { freedUnlistedFirst } = this.managed.rules;
    if (freedUnlistedFirst) this.memcgs.uncharge(folio);
    if (this.managed.folio_managed_on_reclaim_free(this.reclaimSite, folio)) return;
    if (!freedUnlistedFirst) this.memcgs.uncharge(folio);
    this.zoneAlloc.free(folio);
  }

  /** folio_trylock. */
  trylock(folio: number): boolean {
    if (this.table.has(folio, PG_locked)) return false;
    this.table.set(folio, PG_locked);
    return true;
  }

  unlock(folio: number): void {
    assert(this.table.has(folio, PG_locked), 'only a locked folio is unlocked');
    this.table.clear(folio, PG_locked);
  }

  /**
   * Declares somebody outside the mm who holds frames, one reference for each time it names one (a
   * driver, a pool). Without it `verify` would call such a reference leaked.
   */
  addHolder(holder: FrameHolder): void {
    this.holders.push(holder);
  }

  /** References by frame that the holders say they have. */
  heldOutside(): Map<number, number> {
    const held = new Map<number, number>();
    for (const holder of this.holders) {
      for (const pfn of holder()) held.set(pfn, (held.get(pfn) ?? 0) + 1);
    }
    return held;
  }

  /** References held by the batches, for `verify`. */
  batched(): ReadonlyMap<number, readonly number[]> {
    return this.batches;
  }

  private putAt(folio: number, site: number): void {
    assert(this.table.refcount[folio]! > 0, 'a reference is dropped once');
    this.table.refcount[folio]! -= 1;
    if (this.table.refcount[folio] !== 0) return;
    if (this.managed.rules.freedUnlistedFirst) this.unlist(folio);
    if (this.managed.folio_managed_on_free(site, folio)) return;
    this.unlist(folio);
    if (this.table.has(folio, PG_hugetlb)) this.onFreeHugetlb(folio);
    else this.zoneAlloc.free(folio);
  }

  /** No list holds the folio and no group pays for it any more; those of hugetlb are in neither. */
  private unlist(folio: number): void {
    if (this.table.has(folio, PG_lru)) this.lru.remove(folio);
    if (!this.table.has(folio, PG_hugetlb)) this.memcgs.uncharge(folio);
  }

  private drainBatch(batch: number[]): void {
    for (const folio of batch.splice(0)) {
      this.table.clear(folio, PG_batched);
      if (this.table.refcount[folio]! > 1) this.link(folio);
      this.put(folio);
    }
  }

  /** lru_lazyfree: to the inactive list of files, where reclaim looks first. */
  private drainLazyfree(): void {
    for (const folio of this.lazyfree.splice(0)) {
      if (this.mayBeLazyfree(folio) && this.table.has(folio, PG_lru)) {
        this.lru.remove(folio);
        this.table.clearLruUses(folio);
        if (this.lru.lruGenEnabled) this.table.clear(folio, PG_workingset);
        this.table.clear(folio, PG_active | PG_swapbacked);
        this.lru.add(folio);
        this.vmstat.add(this.pglazyfree, this.table.nrPages(folio));
        this.memcgs.countFolio(folio, this.pglazyfree, this.table.nrPages(folio));
      }
      this.put(folio);
    }
  }

  private mayBeLazyfree(folio: number): boolean {
    const isOurs = this.table.has(folio, PG_anon) && this.table.has(folio, PG_swapbacked);
    return isOurs && !this.table.has(folio, PG_swapcache | PG_unevictable);
  }

  private link(folio: number): void {
    if (this.table.has(folio, PG_mlocked)) {
      this.table.clear(folio, PG_active);
      this.table.set(folio, PG_unevictable);
      this.vmstat.add(this.culled, 1);
    }
    this.lru.add(folio);
  }

  private batchOf(nid: number): number[] {
    const known = this.batches.get(nid);
    if (known !== undefined) return known;
    const made: number[] = [];
    this.batches.set(nid, made);
    assert(this.nodes.exists(nid), 'a CPU is on a node');
    return made;
  }
}
export const FoliosToken = createToken<Folios>('Folios');
