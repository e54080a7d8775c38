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
  type MemCgroups,
  MemCgroupsToken,
  type Migrate,
  MigrateToken,
  migrateFolioFlags,
  type Nodes,
  NodesToken,
  PG_anon,
  PG_swapcache,
  type Swap,
  SwapToken,
  Tracepoints,
  type Work,
  WorkToken,
} from '@mm-lab/mm-core';
import { type DeviceSplit, DeviceSplitToken } from './device-split.js';
import { isDriverAllocated } from './memory-type.js';
import { type Memremap, MemremapToken } from './memremap.js';
import type { MigrateEntries, MigrateVmaArgs } from './migrate-args.js';
import { HoleFiller, type MigrateInsert, MigrateInsertToken } from './migrate-insert.js';
import {
  asBase,
  isCompound,
  MIGRATE_PFN_MIGRATE,
  MIGRATE_PFN_VALID,
  migratePfn,
  migratePfnFlags,
  migratePfnToPage,
  withoutMigrate,
} from './migrate-pfn.js';
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
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(MemremapToken) private readonly memremap: Memremap,
    @inject(DeviceSplitToken) private readonly split: DeviceSplit,
    @inject(MigrateInsertToken) private readonly insert: MigrateInsert,
    @inject(MigrateUnmapToken) private readonly unmap: MigrateUnmap,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
    @inject(ClockToken) private readonly clock: Clock,
    @inject(WorkToken) private readonly work: Work,
  ) {
    folios.addHolder(() => this.held);
  }

  /**
   * Moves what a page is, no data: afterwards MIGRATE in src says what really moves
   * (__migrate_device_pages).
   * @param args the migration by address, or null for one by pfn, which has no holes and splits
   *   nothing
   */
  pages(entries: MigrateEntries, args: MigrateVmaArgs | null): void {
    const { src, dst } = entries;
    const filler = args === null ? null : new HoleFiller(this.insert, args);
    for (let at = 0; at < src.length; ) {
      const from = migratePfnToPage(src[at]!);
      if (migratePfnToPage(dst[at]!) < 0) {
        dropEntry(src, at);
        at++;
      } else if (from < 0) {
        at += filler?.fill(at) ?? 1;
      } else {
        at += this.move(entries, at, args !== null);
      }
    }
  }

  /** An entry with a page. @returns entries dealt with */
  private move({ src, dst, faultPage }: MigrateEntries, at: number, maySplit: boolean): number {
    if ((src[at]! & MIGRATE_PFN_MIGRATE) === 0) return 1;
    const from = migratePfnToPage(src[at]!);
    let entries = 1;
    const isWhole = isCompound(src[at]!);
    if (isWhole && !isCompound(dst[at]!)) {
      entries = maySplit ? this.splitSource(src, at, from) : 0;
      if (entries === 0) {
        src[at] = asBase(withoutMigrate(src[at]!));
        return 1;
      }
    } else if (!isWhole && isCompound(dst[at]!)) {
      dropEntry(src, at);
    }
    for (let i = at; i < at + entries; i++) {
      const to = migratePfnToPage(dst[i]!);
      const page = migratePfnToPage(src[i]!);
      if (to < 0 || !this.moveFolio(page, to, page === faultPage ? 1 : 0)) dropEntry(src, i);
    }
    return entries;
  }

  /** migrate_vma_split_unmapped_folio. @returns entries of the pages, or 0 */
  private splitSource(src: number[], at: number, folio: number): number {
    const pages = this.table.nrPages(folio);
    if (!this.split.splitUnmapped(folio)) return 0;
    const flags = migratePfnFlags(asBase(src[at]!)) - MIGRATE_PFN_VALID;
    for (let i = 0; i < pages; i++) src[at + i] = migratePfn(folio + i) + flags;
    return pages;
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
    if (!this.unmap.isFaultFolio(from, faultPage)) this.folios.unlock(from);
    if (this.isDevice(from)) this.folios.put(from);
    else this.folios.dropIsolated(from);
    this.folios.unlock(to);
    if (!this.isDevice(to)) this.folios.addLru(to);
    this.folios.put(to);
  }

  /**
   * folio_migrate_mapping and folio_migrate_flags. Only anonymous memory goes to a device, and only
   * PRIVATE and COHERENT ones take it. @returns false if it may not, or somebody else holds `from`
   */
  private moveFolio(from: number, to: number, extra: number): boolean {
    const target = this.memremap.pgmapOf(to);
    if (target !== null) {
      if (!isDriverAllocated(target.request.type) || !this.table.has(from, PG_anon)) return false;
      if (this.table.has(from, PG_swapcache) && !this.swap.freeSwap(from)) return false;
    }
    if (this.table.refcount[from] !== this.unmap.expectedReferences(from, extra)) return false;
    this.memcgs.move(from, to);
    migrateFolioFlags(this.table, from, to);
    return true;
  }

  private isDevice(page: number): boolean {
    return this.memremap.pgmapOf(page) !== null;
  }
}
export const MigrateInstallToken = createToken<MigrateInstall>('MigrateInstall');
