import {
  createToken,
  EBUSY,
  ENOMEM,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  GFP_USER,
  type Gup,
  GupToken,
  inject,
  injectable,
  type Nodes,
  NodesToken,
  type PageAlloc,
  PageAllocToken,
} from '@mm-lab/mm-core';
import { type DeviceCopy, DeviceCopyToken } from './device-copy.js';
import type { MigrateEntries } from './migrate-args.js';
import { type MigrateInstall, MigrateInstallToken } from './migrate-install.js';
import { asCompound, MIGRATE_PFN_MIGRATE, migratePfn } from './migrate-pfn.js';
import { type MigrateUnmap, MigrateUnmapToken } from './migrate-unmap.js';

/**
 * Migration by pfn, without an address space: how a driver evicts its own pages
 * (mm/migrate_device.c:migrate_device_pfns, migrate_device_range). Continue with `pages` and
 * `finalize`. Nothing promises progress: the driver tries again.
 */
@injectable()
export class MigrateDevice {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(MigrateUnmapToken) private readonly unmap: MigrateUnmap,
    @inject(MigrateInstallToken) private readonly install: MigrateInstall,
    @inject(DeviceCopyToken) private readonly deviceCopy: DeviceCopy,
    @inject(GupToken) gup: Gup,
  ) {
    gup.onUnlisted = (folio) => this.coherentFolio(folio);
  }

  /** Locks and unmaps device pages; a free or locked one gets an empty entry. */
  pfns(pages: readonly number[]): MigrateEntries {
    const src = pages.map(() => 0);
    for (let at = 0; at < pages.length; ) {
      const taken = this.lock(src, at, pages[at]!);
      if (taken === 0) break;
      at += taken;
    }
    const entries: MigrateEntries = { src, dst: pages.map(() => 0), faultPage: -1 };
    this.unmap.run(entries);
    return entries;
  }

  /** The same for pages that follow each other (migrate_device_range). */
  range(start: number, pages: number): MigrateEntries {
    return this.pfns(Array.from({ length: pages }, (_, at) => start + at));
  }

  /** migrate_device_pages. */
  pages(entries: MigrateEntries): void {
    this.install.pages(entries, null);
  }

  /** migrate_device_finalize. */
  finalize(entries: MigrateEntries): void {
    this.install.finalize(entries);
  }

  /**
   * migrate_device_pfn_lock. @returns entries taken by the folio; 0: it sticks out, end here
   */
  private lock(src: number[], at: number, page: number): number {
    const folio = this.table.head(page);
    const isHead = folio === page && this.table.refcount[page]! > 0;
    const isOurs = isHead && this.folios.trylock(page);
    if (isOurs) this.folios.get(page);
    const pages = isHead ? this.table.nrPages(page) : 1;
    if (pages > src.length - at) {
      if (isOurs) {
        this.folios.unlock(page);
        this.folios.put(page);
      }
      return 0;
    }
    if (!isOurs) return pages;
    const entry = migratePfn(page) + MIGRATE_PFN_MIGRATE;
    src[at] = pages > 1 ? asCompound(entry) : entry;
    return pages;
  }

  /**
   * A page that somebody wants to pin for long goes to ordinary memory; its driver is not asked
   * (migrate_device_coherent_folio). Base pages only, copied by CPU.
   */
  private coherentFolio(folio: number): number {
    if (this.table.order[folio]! > 0) return -EBUSY;
    const entries = this.pfns([folio]);
    if (entries.src[0] === 0) return -EBUSY;
    const nid = this.nodes.nidOf(folio);
    const dst = this.pageAlloc.alloc({ gfp: GFP_USER, order: 0, nid, nodemask: null });
    if (dst >= 0) {
      this.folios.trylock(dst);
      entries.dst[0] = migratePfn(dst);
      this.pages(entries);
      if ((entries.src[0]! & MIGRATE_PFN_MIGRATE) !== 0) this.deviceCopy.copy(dst, folio);
    }
    const moved = (entries.src[0]! & MIGRATE_PFN_MIGRATE) !== 0;
    this.finalize(entries);
    if (dst < 0) return -ENOMEM;
    return moved ? 0 : -EBUSY;
  }
}
export const MigrateDeviceToken = createToken<MigrateDevice>('MigrateDevice');
