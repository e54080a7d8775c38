import { MIGRATE_ASYNC, MR_COMPACTION } from '../abi/migrate.js';
import { MIGRATE_MOVABLE } from '../abi/migratetype.js';
import {
  PG_anon,
  PG_buddy,
  PG_hwpoison,
  PG_lru,
  PG_reserved,
  PG_swapcache,
  PG_tail,
  PG_unevictable,
} from '../abi/page-flags.js';
import { MAX_PAGE_ORDER, PAGEBLOCK_PAGES, PMD_ORDER } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { freeOnePage } from '../mem/buddy.js';
import { findSuitableFallback, mayClaim } from '../mem/fallback.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { hasBlock, takeBlock } from '../mem/free-area.js';
import { pageblockMigratetype } from '../mem/pageblock.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import type { Zone } from '../mem/zone.js';
import { CostModel } from './cost-model.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { Sysctl } from './sysctl.js';
import { type Work, WorkToken } from './work.js';

/** Order of a run that goes on until the scanners meet (is_via_compact_memory). */
export const WHOLE_ZONE = -1;

/** Folios isolated at a time. */
const COMPACT_CLUSTER_MAX = 32;

/** What a run is for (struct compact_control). */
export interface CompactControl {
  /** Of the block wanted, or WHOLE_ZONE. */
  readonly order: number;
  /** MIGRATE_ASYNC and so on. */
  readonly mode: number;
  /** Who wants it: MIGRATE_MOVABLE and so on. */
  readonly migratetype: number;
  /** The one who wants it works itself. */
  readonly direct: boolean;
  /** Asked between page blocks; absent: the run goes on while there is work. */
  readonly isEnough?: () => boolean;
}

/** One run over a zone. */
interface Run extends CompactControl {
  readonly zone: Zone;
  /** First page of the page block that the free scanner looks at next; it goes down. */
  freePfn: number;
  /** Free blocks taken off the lists, by order. */
  readonly free: number[][];
}

/**
 * Moves folios from the start of a zone into free pages at its end until a block of the wanted
 * order is free or the two scanners meet (mm/compaction.c:compact_zone).
 *
 * Simplified: both scanners start afresh each time and no page block is marked to be skipped.
 */
@injectable()
export class CompactZone {
  /** Pages that moved folios took without an allocation that anybody counts. */
  takenPages = 0;

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  run(zone: Zone, control: CompactControl): void {
    const last = zone.base + zone.spannedPages - 1;
    const run: Run = {
      ...control,
      zone,
      freePfn: last - (last % PAGEBLOCK_PAGES),
      free: Array.from({ length: MAX_PAGE_ORDER + 1 }, () => []),
    };
    this.folios.lruAddDrainAll();
    zone.drainPages();
    let block = zone.base - (zone.base % PAGEBLOCK_PAGES);
    for (; block < run.freePfn && !this.isFinished(run); block += PAGEBLOCK_PAGES) {
      if (!this.isSuitableSource(run, block)) continue;
      if (!this.migrateBlock(run, block)) break;
    }
    zone.drainPages();
    this.release(run);
    this.folios.lruAddDrainAll();
  }

  /**
   * A block that the request can have is free: looked at after each page block
   * (__compact_finished).
   */
  private isFinished({ zone, order, migratetype, isEnough }: Run): boolean {
    if (order === WHOLE_ZONE) return isEnough?.() ?? false;
    for (let at = order; at <= MAX_PAGE_ORDER; at++) {
      if (hasBlock(this.table, zone, at, migratetype)) return true;
      if (!mayClaim(at, migratetype)) continue;
      if (findSuitableFallback(this.table, zone, at, migratetype) >= 0) return true;
    }
    return false;
  }

  /**
   * A request that does not wait empties only page blocks of its own type
   * (suitable_migration_source).
   */
  private isSuitableSource({ mode, direct, migratetype }: Run, block: number): boolean {
    if (mode !== MIGRATE_ASYNC || !direct) return true;
    return pageblockMigratetype(this.table, block) === migratetype;
  }

  /** Empties one page block in clusters. @returns are there free pages left to move to? */
  private migrateBlock(run: Run, block: number): boolean {
    const start = Math.max(block, run.zone.base);
    const end = Math.min(block + PAGEBLOCK_PAGES, run.zone.base + run.zone.spannedPages);
    for (let pfn = start; pfn < end; ) {
      const list: number[] = [];
      pfn = this.isolateMigratepages(run, pfn, end, list);
      if (list.length === 0) continue;
      const { rc } = this.migrate.migratePages(list, {
        mode: run.mode,
        reason: MR_COMPACTION,
        newFolio: (src) => this.allocFree(run, block, this.table.order[src]!),
        putFolio: (dst) => this.putFree(run, dst),
      });
      for (const folio of list) this.folios.putbackLru(folio);
      if (rc < 0) return false;
    }
    return true;
  }

  /** @returns where to go on (isolate_migratepages_block) */
  private isolateMigratepages(run: Run, from: number, end: number, list: number[]): number {
    let pfn = from;
    for (; pfn < end && list.length < COMPACT_CLUSTER_MAX; pfn += this.step(run.zone, pfn)) {
      this.vmstat.count('compact_migrate_scanned');
      this.work.charge(this.cost.ns.scanPage);
      if (!this.mayMove(run, pfn) || !this.folios.isolateLru(pfn)) continue;
      this.vmstat.count('compact_isolated', this.table.nrPages(pfn));
      list.push(pfn);
    }
    return pfn;
  }

  private step(zone: Zone, pfn: number): number {
    if (pfn >= zone.untouchedStart && pfn < zone.untouchedEnd) return zone.untouchedEnd - pfn;
    return this.table.has(pfn, PG_tail) ? 1 : this.table.nrPages(pfn);
  }

  private mayMove(run: Run, pfn: number): boolean {
    const { table } = this;
    if (!table.has(pfn, PG_lru) || table.has(pfn, UNMOVABLE)) return false;
    const order = table.order[pfn]!;
    if (order >= PMD_ORDER || (run.order !== WHOLE_ZONE && order >= run.order)) return false;
    if (table.has(pfn, PG_unevictable) && !this.sysctl.compact_unevictable_allowed) return false;
    const plainAnon = table.has(pfn, PG_anon) && !table.has(pfn, PG_swapcache);
    return !plainAnon || table.refcount[pfn]! <= table.folioMapcount(pfn);
  }

  /** A page for a folio (compaction_alloc): the free scanner runs when the stock has none. */
  private allocFree(run: Run, migrateBlock: number, order: number): number {
    let from = order;
    const stock = (): boolean => {
      from = order;
      while (from <= MAX_PAGE_ORDER && run.free[from]!.length === 0) from++;
      return from <= MAX_PAGE_ORDER;
    };
    while (!stock()) if (!this.isolateFreepages(run, migrateBlock)) return -1;
    const pfn = run.free[from]!.pop() ?? -1;
    while (from > order) {
      from--;
      run.free[from]!.push(pfn + (1 << from));
    }
    this.table.prepareFolio(pfn, order);
    this.takenPages += 1 << order;
    return pfn;
  }

  private putFree(run: Run, pfn: number): void {
    const order = this.table.order[pfn]!;
    this.table.unreserve(pfn, 1 << order);
    this.takenPages -= 1 << order;
    run.free[order]!.push(pfn);
  }

  /** Takes the free pages of the next page block down. @returns is there one? */
  private isolateFreepages(run: Run, migrateBlock: number): boolean {
    const { zone } = run;
    while (run.freePfn > migrateBlock) {
      const block = run.freePfn;
      run.freePfn -= PAGEBLOCK_PAGES;
      if (!this.isSuitableTarget(zone, block)) continue;
      const end = Math.min(block + PAGEBLOCK_PAGES, zone.base + zone.spannedPages);
      for (let pfn = block; pfn < end; ) {
        const order = this.table.order[pfn]!;
        this.vmstat.count('compact_free_scanned');
        const isFree = this.table.has(pfn, PG_buddy);
        if (isFree) this.takeFree(run, pfn, order);
        pfn += isFree ? 1 << order : 1;
      }
      return true;
    }
    return false;
  }

  private takeFree(run: Run, pfn: number, order: number): void {
    takeBlock(this.table, run.zone, pfn, order);
    run.zone.freePages -= 1 << order;
    this.vmstat.count('compact_isolated', 1 << order);
    run.free[order]!.push(pfn);
  }

  /**
   * Movable pages go to movable page blocks; one that is free as a whole is not broken up
   * (suitable_migration_target).
   */
  private isSuitableTarget(zone: Zone, block: number): boolean {
    if (block < zone.base) return false;
    if (pageblockMigratetype(this.table, block) !== MIGRATE_MOVABLE) return false;
    if (block >= zone.untouchedStart && block < zone.untouchedEnd) return false;
    const largest = block & ~((1 << MAX_PAGE_ORDER) - 1);
    const isWhole = (pfn: number): boolean =>
      this.table.has(pfn, PG_buddy) && this.table.order[pfn]! >= PMD_ORDER;
    return !isWhole(block) && !(isWhole(largest) && this.table.order[largest] === MAX_PAGE_ORDER);
  }

  /** What was not used goes back (release_free_list). */
  private release(run: Run): void {
    run.free.forEach((pfns, order) => {
      for (const pfn of pfns) freeOnePage(this.table, run.zone, pfn, order);
    });
  }
}
export const CompactZoneToken = createToken<CompactZone>('CompactZone');

const UNMOVABLE = PG_buddy | PG_reserved | PG_hwpoison | PG_tail;
