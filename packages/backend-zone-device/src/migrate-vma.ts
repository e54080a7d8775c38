import {
  CostModel,
  createToken,
  EINVAL,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  PG_locked,
  VM_HUGETLB,
  VM_SPECIAL,
  type Work,
  WorkToken,
} from '@mm-lab/mm-core';
import { type Memremap, MemremapToken } from './memremap.js';
import type { MigrateVmaArgs } from './migrate-args.js';
import { type MigrateCollect, MigrateCollectToken } from './migrate-collect.js';
import { type MigrateInstall, MigrateInstallToken } from './migrate-install.js';
import { type MigrateUnmap, MigrateUnmapToken } from './migrate-unmap.js';

/**
 * Migration of a range of an address space to or from device memory (mm/migrate_device.c). A driver
 * calls `setup`, allocates, locks and copies a destination for each entry that takes part, then
 * calls `pages` and `finalize`. It may decline any entry by leaving its dst 0.
 */
@injectable()
export class MigrateVma {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(MemremapToken) private readonly memremap: Memremap,
    @inject(MigrateCollectToken) private readonly collect: MigrateCollect,
    @inject(MigrateUnmapToken) private readonly unmap: MigrateUnmap,
    @inject(MigrateInstallToken) private readonly install: MigrateInstall,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * Collects, isolates and unmaps (migrate_vma_setup). Afterwards every entry with a page is
   * locked, unmapped everywhere and stands still.
   *
   * @returns 0 even if nothing was selected (see `args.cpages`); -EINVAL for a range that is empty
   *   or not inside one vma, a hugetlb or special one, arrays that are too short, or a fault page
   *   that is not a locked device-private one
   */
  setup(args: MigrateVmaArgs): number {
    if (!this.isValid(args)) return -EINVAL;
    args.cpages = 0;
    args.src.fill(0);
    const unmapped = this.collect.run(args);
    if (unmapped > 0) this.work.charge(this.cost.tlbFlushNs(args.mm.activeCpus));
    if (args.cpages > 0) args.cpages = this.unmap.run(args);
    return 0;
  }

  /** Moves metadata and fills holes (migrate_vma_pages). */
  pages(args: MigrateVmaArgs): void {
    this.install.pages(args, args);
  }

  /** Restores mappings, here or there (migrate_vma_finalize). */
  finalize(args: MigrateVmaArgs): void {
    this.install.finalize(args);
  }

  private isValid(args: MigrateVmaArgs): boolean {
    const pages = args.end - args.start;
    const vma = args.mm.find(args.start);
    if (vma === null || pages <= 0 || vma.end < args.end) return false;
    if ((vma.flags & (VM_HUGETLB | VM_SPECIAL)) !== 0) return false;
    if (args.src.length < pages || args.dst.length < pages) return false;
    if (args.faultPage < 0) return true;
    return (
      this.memremap.isDevicePrivate(args.faultPage) &&
      this.table.has(this.table.head(args.faultPage), PG_locked)
    );
  }
}
export const MigrateVmaToken = createToken<MigrateVma>('MigrateVma');
