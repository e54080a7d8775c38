import {
  type Clock,
  ClockToken,
  createToken,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  type Migrate,
  MigrateToken,
  type Nodes,
  NodesToken,
  PG_active,
  PG_anon,
  PG_dirty,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_workingset,
  type Swap,
  SwapToken,
  Tracepoints,
  type Work,
  WorkToken,
} from '@mm-lab/mm-core';
import { type Memremap, MemremapToken } from './memremap.js';
import type { MigrateEntries } from './migrate-args.js';
import { MIGRATE_PFN_MIGRATE, migratePfnToPage } from './migrate-pfn.js';
import { dropEntry, type MigrateUnmap, MigrateUnmapToken } from './migrate-unmap.js';

/**
 * The last two phases, by address or by pfn (mm/migrate_device.c: __migrate_device_pages,
 * __migrate_device_finalize). The data are the driver's to copy, before `finalize`.
 *
 * An entry: unmapped --pages, dst given and nobody else holds src--> moved --finalize--> dst mapped
 *           unmapped --pages, otherwise--> dropped out --finalize--> src mapped again
 */
@injectable()
export class MigrateInstall {
  /** Pages of batches under way that we hold a reference of which no flag tells. */
  private readonly held = new Set<number>();

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(MemremapToken) private readonly memremap: Memremap,
    @inject(MigrateUnmapToken) private readonly unmap: MigrateUnmap,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
    @inject(ClockToken) private readonly clock: Clock,
    @inject(WorkToken) private readonly work: Work,
  ) {
    folios.addHolder(() => this.held);
  }

  /**
   * Moves what a page is, no data: afterwards MIGRATE in src says what really moves.
   * Simplified: a hole is never filled (migrate_vma_insert_page); its entry drops out.
   */
  pages(entries: MigrateEntries): void {
    const { src, dst } = entries;
    for (let at = 0; at < src.length; at++) {
      if ((src[at]! & MIGRATE_PFN_MIGRATE) === 0) continue;
      const from = migratePfnToPage(src[at]!);
      const to = migratePfnToPage(dst[at]!);
      if (from < 0 || to < 0 || !this.moveFolio(from, to, entries.faultPage)) dropEntry(src, at);
    }
  }

  /**
   * Maps the destinations, or the sources where nothing moved, and drops every lock and reference
   * of the migration. A destination that was not used is put.
   */
  finalize({ src, dst, faultPage }: MigrateEntries): void {
    for (let at = 0; at < src.length; at++) {
      const from = migratePfnToPage(src[at]!);
      const to = migratePfnToPage(dst[at]!);
      const moved = from >= 0 && to >= 0 && (src[at]! & MIGRATE_PFN_MIGRATE) !== 0;
      if (moved) this.installMoved(from, to, faultPage);
      else {
        if (from >= 0) this.unmap.putBack(from, this.isDevice(from), faultPage);
        if (to >= 0) this.withdraw(to);
      }
      src[at] = 0;
      dst[at] = 0;
    }
  }

  /**
   * `finalize` when the time that the batch has cost is over: at once for a task, which pays as it
   * goes; for an actor the entries stand until then, and who touches the pages waits.
   */
  finalizeAfterCost(entries: MigrateEntries, then: () => void): void {
    if (!this.clock.inEvent()) {
      this.finalize(entries);
      then();
      return;
    }
    const sources = entries.src.map(migratePfnToPage).filter((page) => page >= 0);
    const targets = entries.dst.map(migratePfnToPage).filter((page) => page >= 0);
    const ours = [...targets, ...sources.filter((page) => this.isDevice(page))];
    for (const page of ours) this.held.add(page);
    this.migrate.hold([...sources, ...targets], this.work.soFar(), () => {
      for (const page of ours) this.held.delete(page);
      this.finalize(entries);
      then();
    });
  }

  /** Gives a locked destination that will not be used back to whom it came from. */
  withdraw(page: number): void {
    this.folios.unlock(page);
    this.folios.put(page);
  }

  private installMoved(from: number, to: number, faultPage: number): void {
    this.unmap.removeMigrationPtes(from, to);
    const tp = this.tracepoints.mm_migrate_folio;
    if (tp.enabled) tp.emit(from, to, this.nodes.nidOf(from), this.nodes.nidOf(to));
    if (from !== faultPage) this.folios.unlock(from);
    if (this.isDevice(from)) this.folios.put(from);
    else this.folios.dropIsolated(from);
    this.folios.unlock(to);
    if (!this.isDevice(to)) this.folios.addLru(to);
    this.folios.put(to);
  }

  /** folio_migrate_mapping and folio_migrate_flags. @returns false if somebody else holds `from` */
  private moveFolio(from: number, to: number, faultPage: number): boolean {
    if (this.table.has(from, PG_swapcache) && !this.swap.freeSwap(from)) return false;
    const expected = this.unmap.expectedReferences(from, faultPage);
    if (this.table.refcount[from] !== expected) return false;
    this.table.flags[to]! |= this.table.flags[from]! & CARRIED;
    return true;
  }

  private isDevice(page: number): boolean {
    return this.memremap.pgmapOf(page) !== null;
  }
}
export const MigrateInstallToken = createToken<MigrateInstall>('MigrateInstall');

/** Flags that move with the page; those of an LRU it is not on stay behind. */
const CARRIED = PG_referenced | PG_dirty | PG_active | PG_workingset | PG_swapbacked | PG_anon;
