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
  PG_anon_exclusive,
  PG_lru,
  PG_swapcache,
  PTE_TYPE_MIGRATION_READ_EXCLUSIVE,
  PTE_TYPE_MIGRATION_WRITE,
  PTE_WRITE,
  type Ptes,
  PtesToken,
  pteType,
  type Rmap,
  RmapToken,
  type RmapWalk,
  RmapWalkToken,
} from '@mm-lab/mm-core';
import { type DevicePrivateEntries, DevicePrivateEntriesToken } from './device-private-entry.js';
import { type Memremap, MemremapToken } from './memremap.js';
import type { MigrateEntries } from './migrate-args.js';
import { MIGRATE_PFN_MIGRATE, migratePfnToPage, withoutMigrate } from './migrate-pfn.js';

/**
 * The second half of setup (mm/migrate_device.c:migrate_device_unmap): what was collected is
 * isolated and checked, and what can't move is put back as it was.
 */
@injectable()
export class MigrateUnmap {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(MemremapToken) private readonly memremap: Memremap,
    @inject(DevicePrivateEntriesToken) private readonly entries: DevicePrivateEntries,
  ) {}

  /**
   * Isolates and unmaps every collected page.
   * @returns entries that dropped out
   */
  run({ src, faultPage }: MigrateEntries): number {
    this.folios.lruAddDrain();
    let drained = false;
    let dropped = 0;
    for (let at = 0; at < src.length; at++) {
      const page = migratePfnToPage(src[at]!);
      if (page < 0 || (src[at]! & MIGRATE_PFN_MIGRATE) === 0) continue;
      const isDevice = this.memremap.pgmapOf(page) !== null;
      if (!isDevice && !this.table.has(page, PG_lru) && !drained) {
        this.folios.lruAddDrainAll();
        drained = true;
      }
      if (this.take(page, isDevice, faultPage)) continue;
      src[at] = 0;
      dropped++;
    }
    return dropped;
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
    for (const slot of this.rmap.slots(from)) {
      const type = pteType(this.ptes.bits[slot]!);
      if (!isMigrationType(type)) continue;
      const isWrite = type === PTE_TYPE_MIGRATION_WRITE;
      this.folios.get(to);
      const bits = this.entries.readBits | (isWrite ? PTE_WRITE : 0);
      this.mapping.fromMigration(slot, from, to, bits);
      if (isWrite || type === PTE_TYPE_MIGRATION_READ_EXCLUSIVE) {
        this.table.set(to, PG_anon_exclusive);
      }
    }
  }

  /**
   * Undoes the collection of a system page or device page that stays: mappings, lock, reference.
   */
  putBack(page: number, isDevice: boolean, faultPage: number): void {
    this.removeMigrationPtes(page, page);
    if (page !== faultPage) this.folios.unlock(page);
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
    if (this.table.mapcount[page]! > 0) this.rmapWalk.tryToMigrate(page);
    if (this.table.mapcount[page] === 0 && this.checkPage(page, isDevice, faultPage)) return true;
    this.putBack(page, isDevice, faultPage);
    return false;
  }

  /**
   * Does nobody else hold the page (migrate_vma_check_page)? A device page may have one reference
   * too many here, which `pages` then finds: a leftover that the kernel still has.
   */
  private checkPage(page: number, isDevice: boolean, faultPage: number): boolean {
    const slip = isDevice ? 1 : 0;
    return this.table.refcount[page]! <= this.expectedReferences(page, faultPage) + slip;
  }

  /** The migration's own reference, the fault's, and the swap cache's. */
  expectedReferences(page: number, faultPage: number): number {
    return 1 + (page === faultPage ? 1 : 0) + (this.table.has(page, PG_swapcache) ? 1 : 0);
  }
}
export const MigrateUnmapToken = createToken<MigrateUnmap>('MigrateUnmap');

/** Undoes a selection in place: the entry stays but does not move. */
export function dropEntry(src: number[], at: number): void {
  src[at] = withoutMigrate(src[at]!);
}
