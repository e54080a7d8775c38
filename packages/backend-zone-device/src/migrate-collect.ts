import {
  createToken,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  type HugeMemory,
  HugeMemoryToken,
  inject,
  injectable,
  PTE_SPECIAL,
  PTE_WRITE,
  type Ptes,
  PtesToken,
  pteHoldsPage,
  type RmapWalk,
  RmapWalkToken,
} from '@mm-lab/mm-core';
import { type DevicePrivateEntries, DevicePrivateEntriesToken } from './device-private-entry.js';
import { type Memremap, MemremapToken } from './memremap.js';
import type { MigrateVmaArgs } from './migrate-args.js';
import {
  MIGRATE_PFN_MIGRATE,
  MIGRATE_PFN_WRITE,
  MIGRATE_VMA_SELECT_DEVICE_COHERENT,
  MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
  MIGRATE_VMA_SELECT_SYSTEM,
  migratePfn,
} from './migrate-pfn.js';

/**
 * The first half of setup (mm/migrate_device.c:migrate_vma_collect): walks a range, takes a
 * reference and the lock of every page that is selected, and puts migration entries for it.
 *
 * Simplified: all mappings of a page become migration entries here, where Linux leaves those of
 * other address spaces to migrate_device_unmap; nothing can come in between.
 */
@injectable()
export class MigrateCollect {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(HugeMemoryToken) private readonly huge: HugeMemory,
    @inject(MemremapToken) private readonly memremap: Memremap,
    @inject(DevicePrivateEntriesToken) private readonly entries: DevicePrivateEntries,
  ) {}

  /** Fills `args.src`. @returns present entries that were unmapped, which need a TLB flush */
  run(args: MigrateVmaArgs): number {
    let unmapped = 0;
    for (let vpn = args.start; vpn < args.end; vpn++) {
      const slot = this.ptes.find(args.mm.id, vpn);
      const bits = slot < 0 ? 0 : this.ptes.bits[slot]!;
      const entry = this.collect(args, slot, bits);
      args.src[vpn - args.start] = entry;
      if (entry === 0) continue;
      args.cpages++;
      if (entry !== MIGRATE_PFN_MIGRATE && !this.entries.matches(bits)) unmapped++;
    }
    return unmapped;
  }

  /** The src entry for one page-table entry; 0 = not selected. */
  private collect(args: MigrateVmaArgs, slot: number, bits: number): number {
    if (bits === 0) return MIGRATE_PFN_MIGRATE;
    if (!pteHoldsPage(bits)) return 0;
    if ((bits & PTE_SPECIAL) !== 0) return zeroPage(args);
    const page = this.ptes.value[slot]!;
    if (!this.selects(args, page, bits)) return 0;
    if (this.table.order[page]! > 0 && !this.split(this.table.head(page))) return 0;
    // A split gives up pages of zeroes and maps the zero page in their place.
    if ((this.ptes.bits[slot]! & PTE_SPECIAL) !== 0) return zeroPage(args);
    if (!this.grab(page, args.faultPage)) return 0;
    const write = (bits & PTE_WRITE) !== 0 ? MIGRATE_PFN_WRITE : 0;
    return migratePfn(page) + MIGRATE_PFN_MIGRATE + write;
  }

  private selects(args: MigrateVmaArgs, page: number, bits: number): boolean {
    const pgmap = this.memremap.pgmapOf(page);
    if (pgmap === null) return (args.flags & MIGRATE_VMA_SELECT_SYSTEM) !== 0;
    if (pgmap.owner !== args.owner) return false;
    const needed = this.entries.matches(bits)
      ? MIGRATE_VMA_SELECT_DEVICE_PRIVATE
      : MIGRATE_VMA_SELECT_DEVICE_COHERENT;
    return (args.flags & needed) !== 0;
  }

  /** Reference, lock, migration entries; nothing of it if the page is locked or pinned. */
  private grab(page: number, faultPage: number): boolean {
    if (page !== faultPage && !this.folios.trylock(page)) return false;
    this.folios.get(page);
    if (this.rmapWalk.tryToMigrate(page)) return true;
    if (page !== faultPage) this.folios.unlock(page);
    this.folios.put(page);
    return false;
  }

  /**
   * A large folio met at PTE level is split first (migrate_vma_split_folio). Simplified: through
   * the LRU, since split_folio here wants the folio isolated.
   */
  private split(folio: number): boolean {
    this.folios.lruAddDrain();
    if (!this.folios.isolateLru(folio)) return false;
    const fresh = this.huge.splitFolio(folio);
    for (const part of [folio, ...(fresh ?? [])]) {
      if (fresh !== null && this.table.mapcount[part] === 0) this.folios.dropIsolated(part);
      else this.folios.putbackLru(part);
    }
    return fresh !== null;
  }
}
/** The zero page is system memory like any hole: a fresh page takes its place. */
function zeroPage({ flags }: MigrateVmaArgs): number {
  return (flags & MIGRATE_VMA_SELECT_SYSTEM) !== 0 ? MIGRATE_PFN_MIGRATE : 0;
}

export const MigrateCollectToken = createToken<MigrateCollect>('MigrateCollect');
