import {
  createToken,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  isMigrationType,
  type Mapping,
  MappingToken,
  type PageCache,
  PageCacheToken,
  PG_anon_exclusive,
  PG_lru,
  PG_swapcache,
  PTE_TRACKING,
  PTE_TYPE_MIGRATION_READ_EXCLUSIVE,
  PTE_TYPE_MIGRATION_WRITE,
  PTE_WRITE,
  type Ptes,
  PtesToken,
  pteType,
  type RmapWalk,
  RmapWalkToken,
} from '@mm-lab/mm-core';
import { type DevicePrivateEntries, DevicePrivateEntriesToken } from './device-private-entry.js';
import { type Memremap, MemremapToken } from './memremap.js';
import type { MigrateEntries } from './migrate-args.js';
import {
  asCompound,
  MIGRATE_PFN_MIGRATE,
  migratePfnToPage,
  withoutMigrate,
} from './migrate-pfn.js';

/**
 * The second half of setup (mm/migrate_device.c:migrate_device_unmap): what was collected is
 * isolated and checked, and what can't move is put back as it was.
 */
@injectable()
export class MigrateUnmap {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(MemremapToken) private readonly memremap: Memremap,
    @inject(DevicePrivateEntriesToken) private readonly entries: DevicePrivateEntries,
  ) {}

  /**
   * Isolates and unmaps every collected page (migrate_device_unmap).
   * @returns entries that still take part, holes included
   */
  run({ src, faultPage }: MigrateEntries): number {
    this.folios.lruAddDrain();
    let drained = false;
    let left = 0;
    for (let at = 0; at < src.length; ) {
      const page = migratePfnToPage(src[at]!);
      if (page < 0) {
        if ((src[at]! & MIGRATE_PFN_MIGRATE) !== 0) left++;
        at++;
        continue;
      }
      const pages = this.table.nrPages(page);
      if (pages > 1) src[at] = asCompound(src[at]!);
      const isDevice = this.memremap.pgmapOf(page) !== null;
      if (!isDevice && !this.table.has(page, PG_lru) && !drained) {
        this.folios.lruAddDrainAll();
        drained = true;
      }
      if (this.take(page, isDevice, faultPage)) left++;
      else src[at] = 0;
      at += pages;
    }
    return left;
  }

  /**
   * Puts mappings of `to` where migration entries of `from` stand (remove_migration_ptes): the
   * device-private form if the CPU can't address `to`.
   */
  removeMigrationPtes(from: number, to: number): void {
    if (!this.memremap.isDevicePrivate(to)) {
      this.rmapWalk.removeMigrationPtes(from, to);
      return;
    }
    this.rmapWalk.eachMapping(from, (slot, pfn) => {
      const old = this.ptes.bits[slot]!;
      const type = pteType(old);
      if (!isMigrationType(type)) return;
      const target = to + (pfn - from);
      const isWrite = type === PTE_TYPE_MIGRATION_WRITE;
      this.folios.get(to);
      const bits = this.entries.readBits | (isWrite ? PTE_WRITE : 0) | (old & PTE_TRACKING);
      this.mapping.fromMigration(slot, pfn, target, bits);
      if (isWrite || type === PTE_TYPE_MIGRATION_READ_EXCLUSIVE) {
        this.table.set(target, PG_anon_exclusive);
      }
    });
  }

  /**
   * Undoes the collection of a system page or device page that stays: mappings, lock, reference.
   */
  putBack(page: number, isDevice: boolean, faultPage: number): void {
    this.removeMigrationPtes(page, page);
    if (!this.isFaultFolio(page, faultPage)) this.folios.unlock(page);
    if (isDevice) this.folios.put(page);
    else this.folios.putbackLru(page);
  }

  private take(page: number, isDevice: boolean, faultPage: number): boolean {
    if (!isDevice) {
      if (!this.folios.isolateLru(page)) {
        this.rmapWalk.removeMigrationPtes(page, page);
        this.folios.unlock(page);
        this.folios.put(page);
        return false;
      }
      this.folios.put(page);
    }
    if (this.table.folioMapcount(page) > 0) this.rmapWalk.tryToMigrate(page);
    const isUnmapped = this.table.folioMapcount(page) === 0;
    if (isUnmapped && this.checkPage(page, isDevice, faultPage)) return true;
    this.putBack(page, isDevice, faultPage);
    return false;
  }

  /**
   * Does nobody else hold the page (migrate_vma_check_page)? A device page may have one reference
   * too many here, which `pages` then finds: a leftover that the kernel still has.
   */
  private checkPage(page: number, isDevice: boolean, faultPage: number): boolean {
    const slip = isDevice ? 1 : 0;
    const fault = page === faultPage ? 1 : 0;
    return this.table.refcount[page]! <= this.expectedReferences(page, fault) + slip;
  }

  /** The migration's own reference, a fault's `extra` one, and those of swap or page cache. */
  expectedReferences(page: number, extra: number): number {
    const isCached = this.table.has(page, PG_swapcache) || this.cache.has(page);
    return 1 + extra + (isCached ? 1 : 0);
  }

  /** Is it the folio of the page whose fault this is, locked by the fault? */
  isFaultFolio(folio: number, faultPage: number): boolean {
    return faultPage >= 0 && this.table.head(faultPage) === folio;
  }
}
export const MigrateUnmapToken = createToken<MigrateUnmap>('MigrateUnmap');

/** Undoes a selection in place: the entry stays but does not move. */
export function dropEntry(src: number[], at: number): void {
  src[at] = withoutMigrate(src[at]!);
}
