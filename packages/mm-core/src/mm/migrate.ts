import { EAGAIN, ENOMEM } from '../abi/errno.js';
import { MIGRATE_ASYNC, MR_NUMA_MISPLACED } from '../abi/migrate.js';
import { PG_hugetlb, PG_isolated, PG_partially_mapped, PG_swapcache } from '../abi/page-flags.js';
import { PMD_ORDER } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type FoliosUnderWay, FoliosUnderWayToken } from '../mem/folios-under-way.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { migrateFolioFlags } from '../mem/migrate-flags.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CostModel, type FolioSize } from './cost-model.js';
import { type DeferredSplit, DeferredSplitToken } from './deferred-split.js';
import { type Folios, FoliosToken } from './folio.js';
import { type HugeMemory, HugeMemoryToken } from './huge-memory.js';
import { type Hugetlb, HugetlbToken } from './hugetlb.js';
import { type HugetlbCache, HugetlbCacheToken } from './hugetlb-cache.js';
import { type KsmNodes, KsmNodesToken } from './ksm-nodes.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import { type Swap, SwapToken } from './swap.js';
import { type Work, WorkToken } from './work.js';

/** Passes over a folio that did not move: asynchronous, synchronous (mm/migrate.c). */
const NR_MAX_MIGRATE_PAGES_RETRY = 10;

/** Makes the destination of a folio: a page with one reference, or -1. */
export type NewFolio = (src: number) => number;

/** What a migration needs besides the folios. */
export interface MigrateRequest {
  readonly newFolio: NewFolio;
  /** Takes back a destination that was not used; default: put it. */
  readonly putFolio?: (dst: number) => void;
  /** MIGRATE_*. */
  readonly mode: number;
  /** MR_*. */
  readonly reason: number;
}

/** What became of a list of folios. */
export interface MigrateResult {
  /** 0 all moved, >0 folios not moved, -ENOMEM no destination. */
  readonly rc: number;
  /** Base pages moved. */
  readonly succeeded: number;
}

/** Base pages and folios of 2 MiB that moved and did not (struct migrate_pages_stats). */
interface Tally {
  succeeded: number;
  failed: number;
  thpSucceeded: number;
  thpFailed: number;
  thpSplit: number;
}

/** A call on its way. */
interface Batch {
  readonly moves: Move[];
  /** What goes back to the caller. */
  readonly left: number[];
  /** Pages of folios that were split, still to be tried. */
  readonly splits: number[];
  /** Folios that did not move. */
  failed: number;
  readonly tally: Tally;
}

interface Move {
  readonly src: number;
  readonly dst: number;
}

/**
 * Moves isolated folios (mm/migrate.c:migrate_pages): unmap all with migration entries, copy, then
 * restore the mappings.
 *
 * A folio on its way: mapped --tryToMigrate--> entries --copy--> copied --removeMigrationPtes-->
 * mapped at the destination; a failure before the copy restores the old mappings. While entries
 * stand, both folios are locked and faulters wait.
 *
 * A task migrates atomically and pays for it. A background actor takes time: its entries stand
 * until the batch's cost has passed, so tasks that touch the pages meanwhile really wait
 * (`completionOf`).
 */
@injectable()
export class Migrate {
  private readonly notifySite = Sites.index('migrate.migrate_folio_move');
  /** Destinations under way: each has the reference of its allocation. */
  private readonly destinations = new Set<number>();
  private readonly waiting: (() => void)[] = [];
  /** Base pages moved to slower and to faster memory so far. */
  demoted = 0;
  promoted = 0;

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(FoliosUnderWayToken) private readonly underWay: FoliosUnderWay,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(HugeMemoryToken) private readonly hugeMemory: HugeMemory,
    @inject(DeferredSplitToken) private readonly deferred: DeferredSplit,
    @inject(KsmNodesToken) private readonly ksmNodes: KsmNodes,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) private readonly clock: Clock,
    @inject(HugetlbToken) private readonly hugetlb: Hugetlb,
    @inject(HugetlbCacheToken) private readonly hugetlbCache: HugetlbCache,
  ) {
    folios.addHolder(() => this.destinations);
  }

  /**
   * Moves what it can. Moved folios leave the list; the others stay isolated in it and are the
   * caller's to put back. The first one without a destination ends it; those after it are neither
   * tried nor counted.
   */
  migratePages(list: number[], request: MigrateRequest): MigrateResult {
    this.managed.might_sleep('migrate_pages');
    const batch: Batch = { moves: [], left: [], splits: [], failed: 0, tally: emptyTally() };
    const outOfMemory = this.each(list, request, batch);
    const { moves, left, splits, tally } = batch;
    if (outOfMemory) left.push(...splits);
    else this.eachOnce(splits, request, batch);
    list.splice(0, list.length, ...left);
    const flushes = Math.ceil(moves.length / this.cost.counts.flushBatch);
    const cpus = this.rmapWalk.flushCpus(moves.map(({ src }) => src));
    this.work.charge(flushes * this.cost.tlbFlushNs(cpus));
    this.finish(moves);
    this.count(tally, request);
    const { succeeded } = tally;
    if (left.length === 0) return { rc: 0, succeeded };
    return { rc: outOfMemory ? -ENOMEM : Math.max(1, batch.failed), succeeded };
  }

  /**
   * A large folio that is partly mapped, or that finds no room in one piece, is split, which counts
   * as its failure. @returns did one find no destination, which ends it?
   */
  private each(list: readonly number[], request: MigrateRequest, batch: Batch): boolean {
    for (const [at, src] of list.entries()) {
      const order = this.table.order[src]!;
      const isPartly = order > 1 && this.table.has(src, PG_partially_mapped);
      if (isPartly && this.trySplit(src, batch)) continue;
      const isPool = this.table.has(src, PG_hugetlb);
      const rc = this.unmapAndCopy(src, request, batch.moves);
      const isThp = order > 0 && !isPool;
      const maySplit = isThp && request.reason !== MR_NUMA_MISPLACED;
      if (rc === -ENOMEM && maySplit && this.trySplit(src, batch)) continue;
      this.tellFolio(src, rc, batch);
      tallyFolio(batch.tally, order, rc, isThp);
      if (rc !== -ENOMEM) continue;
      batch.left.push(...list.slice(at + 1));
      return true;
    }
    return false;
  }

  /** The pages of split folios get one try; none of them is a failure of its own. */
  private eachOnce(pages: readonly number[], request: MigrateRequest, batch: Batch): void {
    const { failed } = batch;
    for (const [at, page] of pages.entries()) {
      const rc = this.unmapAndCopy(page, { ...request, mode: MIGRATE_ASYNC }, batch.moves);
      this.tellFolio(page, rc, batch);
      tallyFolio(batch.tally, 0, rc, false);
      if (rc !== -ENOMEM) continue;
      batch.left.push(...pages.slice(at + 1));
      break;
    }
    batch.failed = failed;
  }

  private tellFolio(src: number, rc: number, batch: Batch): void {
    if (rc === 0) return;
    batch.left.push(src);
    batch.failed++;
  }

  private trySplit(folio: number, batch: Batch): boolean {
    const { splits, tally } = batch;
    const isThp = this.table.order[folio] === PMD_ORDER ? 1 : 0;
    const fresh = this.hugeMemory.splitFolio(folio);
    if (fresh === null) return false;
    splits.push(folio, ...fresh);
    batch.failed++;
    tally.thpFailed += isThp;
    tally.thpSplit += isThp;
    return true;
  }

  /** Time at which the entries of a folio under migration go, or -1 if it is not under way. */
  completionOf(pfn: number): number {
    return this.underWay.untilOf(pfn);
  }

  /** Is any batch under way? */
  busy(): boolean {
    return this.underWay.any();
  }

  /** A task waits until the folio is no longer under way; an actor cannot. @returns was it? */
  waitFor(pfn: number): boolean {
    const until = this.completionOf(pfn);
    if (until < 0) return false;
    if (!this.clock.inEvent()) this.clock.advance(Math.max(0, until - this.clock.now));
    return true;
  }

  /** A task waits until no batch is under way; an actor cannot. */
  waitForBatches(): void {
    this.managed.might_sleep('a batch of migrations');
    if (this.clock.inEvent()) return;
    const last = Math.max(this.clock.now, this.underWay.untilLast());
    this.clock.advance(last - this.clock.now);
  }

  /** Runs `then` when the batches under way are restored; at once if there are none. */
  afterCompletion(then: () => void): void {
    if (this.busy()) this.waiting.push(then);
    else then();
  }

  /**
   * Lets the migration entries of `folios` stand for `ns`, then runs `restore`: who touches them
   * meanwhile waits. For the batches of background actors, a driver's own ones included.
   */
  hold(folios: readonly number[], ns: number, restore: () => void): void {
    this.underWay.add(folios, this.clock.now + ns);
    this.clock.after(ns, () => {
      this.underWay.remove(folios);
      restore();
      if (!this.busy()) for (const then of this.waiting.splice(0)) then();
    });
  }

  private unmapAndCopy(src: number, request: MigrateRequest, moves: Move[]): number {
    assert(this.table.has(src, PG_isolated), 'only isolated folios migrate');
    if (this.table.refcount[src] === 1 && !this.table.has(src, PG_swapcache)) {
      if (this.table.folioMapcount(src) === 0) {
        this.folios.dropIsolated(src);
        return 0;
      }
    }
    const dst = this.hugetlb.migrationTarget(src, request.newFolio(src));
    if (dst < 0) return -ENOMEM;
    if (!this.tryLock(src, request.mode)) {
      this.putUnused(dst, request);
      return -EAGAIN;
    }
    const fits = this.table.order[dst] === this.table.order[src];
    assert(fits, 'newFolio makes a folio of the order of its source');
    if (!this.replace(src, dst)) {
      this.rmapWalk.removeMigrationPtes(src, src);
      this.folios.unlock(src);
      this.putUnused(dst, request);
      return -EAGAIN;
    }
    moves.push({ src, dst });
    return 0;
  }

  private putUnused(dst: number, request: MigrateRequest): void {
    if (request.putFolio) request.putFolio(dst);
    else this.folios.put(dst);
  }

  /**
   * Unmaps, checks that nobody else holds the folio, and copies (folio_migrate_mapping,
   * folio_migrate_copy).
   */
  private replace(src: number, dst: number): boolean {
    const entries = this.rmapWalk.isPmdMapped(src) ? 1 : this.table.nrPages(src);
    if (!this.rmapWalk.tryToMigrate(src)) return false;
    const inSwapCache = this.table.has(src, PG_swapcache) ? 1 : 0;
    const inFile = this.hugetlbCache.has(src) ? 1 : this.cache.references(src);
    const expected = 1 + inSwapCache + inFile;
    if (this.table.refcount[src] !== expected) return false;
    this.folios.trylock(dst);
    const pages = this.table.nrPages(src);
    for (let at = 0; at < pages; at++) this.contents.copy(dst + at, src + at);
    this.chargeMove(src, dst, { entries, pages });
    migrateFolioFlags(this.table, src, dst);
    return true;
  }

  /** Charges the move and counts which way it went. */
  private chargeMove(src: number, dst: number, size: FolioSize): void {
    const { pages } = size;
    const source = this.nodes.pgdat(this.nodes.nidOf(src));
    const target = this.nodes.pgdat(this.nodes.nidOf(dst));
    if (target.lineNs > source.lineNs) this.demoted += pages;
    if (target.lineNs < source.lineNs) this.promoted += pages;
    this.work.charge(this.cost.migrateFolioNs(size, { source, target }));
    if (source.device === null && target.device === null) return;
    for (let at = 0; at < pages; at++) {
      this.work.charge(source.device?.readPageNs(src + at) ?? 0);
      this.work.charge(target.device?.writePageNs?.(dst + at) ?? 0);
    }
  }

  private finish(moves: readonly Move[]): void {
    if (moves.length === 0) return;
    if (!this.clock.inEvent()) {
      for (const move of moves) this.restore(move);
      return;
    }
    for (const { dst } of moves) this.destinations.add(dst);
    const folios = moves.flatMap(({ src, dst }) => [src, dst]);
    this.hold(folios, this.work.soFar(), () => {
      for (const move of moves) {
        this.destinations.delete(move.dst);
        this.restore(move);
      }
    });
  }

  private restore({ src, dst }: Move): void {
    this.managed.folio_managed_migrate_notify(this.notifySite, src, dst);
    if (this.table.has(src, PG_swapcache)) this.swap.replaceFolio(src, dst);
    this.memcgs.move(src, dst);
    this.ksmNodes.replace(src, dst);
    if (this.cache.has(src)) this.cache.replace(src, dst);
    this.hugetlbCache.replace(src, dst);
    if (this.table.has(src, PG_partially_mapped)) this.deferred.add(dst);
    this.rmapWalk.removeMigrationPtes(src, dst);
    const tp = this.tracepoints.mm_migrate_folio;
    if (tp.enabled) tp.emit(src, dst, this.nodes.nidOf(src), this.nodes.nidOf(dst));
    this.folios.unlock(src);
    this.folios.unlock(dst);
    if (this.table.has(src, PG_hugetlb)) this.hugetlb.moveState(src, dst);
    this.folios.dropIsolated(src);
    this.folios.addLru(dst);
    this.folios.put(dst);
  }

  private tryLock(src: number, mode: number): boolean {
    if (this.folios.trylock(src)) return true;
    if (mode === MIGRATE_ASYNC) return false;
    for (let pass = 0; pass < NR_MAX_MIGRATE_PAGES_RETRY; pass++) {
      const until = this.completionOf(src);
      if (until < 0 || this.clock.inEvent()) return false;
      this.clock.advance(until - this.clock.now);
      if (this.folios.trylock(src)) return true;
    }
    return false;
  }

  private count(tally: Tally, request: MigrateRequest): void {
    const { succeeded, failed } = tally;
    this.vmstat.count('pgmigrate_success', succeeded);
    this.vmstat.count('pgmigrate_fail', failed);
    this.vmstat.count('thp_migration_success', tally.thpSucceeded);
    this.vmstat.count('thp_migration_fail', tally.thpFailed);
    this.vmstat.count('thp_migration_split', tally.thpSplit);
    const tp = this.tracepoints.mm_migrate_pages;
    if (tp.enabled) tp.emit(succeeded, failed, request.mode, request.reason);
  }
}
export const MigrateToken = createToken<Migrate>('Migrate');

function emptyTally(): Tally {
  return { succeeded: 0, failed: 0, thpSucceeded: 0, thpFailed: 0, thpSplit: 0 };
}

function tallyFolio(tally: Tally, order: number, rc: number, mayBeThp: boolean): void {
  const isThp = mayBeThp && order === PMD_ORDER ? 1 : 0;
  if (rc === 0) {
    tally.succeeded += 1 << order;
    tally.thpSucceeded += isThp;
  } else {
    tally.failed += 1 << order;
    tally.thpFailed += isThp;
  }
}
