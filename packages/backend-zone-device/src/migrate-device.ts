import {
  createToken,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  type RmapWalk,
  RmapWalkToken,
} from '@mm-lab/mm-core';
import type { MigrateEntries } from './migrate-args.js';
import { MIGRATE_PFN_MIGRATE, migratePfn } from './migrate-pfn.js';
import { type MigrateUnmap, MigrateUnmapToken } from './migrate-unmap.js';

/**
 * Migration by pfn, without an address space: how a driver evicts its own pages
 * (mm/migrate_device.c:migrate_device_pfns, migrate_device_range). Continue with
 * `MigrateInstall.pages` and `finalize`. Nothing promises progress: the driver tries again.
 */
@injectable()
export class MigrateDevice {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(MigrateUnmapToken) private readonly unmap: MigrateUnmap,
  ) {}

  /** Locks and unmaps device pages; a free or locked one gets an empty entry. */
  pfns(pages: readonly number[]): MigrateEntries {
    const entries: MigrateEntries = {
      src: pages.map((page) => this.lock(page)),
      dst: pages.map(() => 0),
      faultPage: -1,
    };
    this.unmap.run(entries);
    return entries;
  }

  /** migrate_device_pfn_lock, and the unmapping of a device page. */
  private lock(page: number): number {
    if (this.table.refcount[page] === 0 || !this.folios.trylock(page)) return 0;
    this.folios.get(page);
    this.rmapWalk.tryToMigrate(page);
    return migratePfn(page) + MIGRATE_PFN_MIGRATE;
  }
}
export const MigrateDeviceToken = createToken<MigrateDevice>('MigrateDevice');
