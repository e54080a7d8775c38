import {
  createToken,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  GFP_KERNEL,
  inject,
  injectable,
  LEAF_SHIFT,
  type Mapping,
  MappingToken,
  type Memcontrol,
  MemcontrolToken,
  MMU_NOTIFY_MIGRATE,
  type MmuNotifiers,
  MmuNotifiersToken,
  PG_anon,
  PG_anon_exclusive,
  PG_swapbacked,
  PMD_HUGE,
  PMD_NONE,
  PMD_ORDER,
  type Pmds,
  PmdsToken,
  PTE_MKDIRTY,
  PTE_PRESENT,
  PTE_SPECIAL,
  PTE_WRITE,
  PTRS_PER_PTE,
  type Ptes,
  PtesToken,
  userfaultfdMissing,
  VM_WRITE,
  type Vma,
  Vmstat,
  VmstatToken,
} from '@mm-lab/mm-core';
import { type DevicePrivateEntries, DevicePrivateEntriesToken } from './device-private-entry.js';
import { isDriverAllocated } from './memory-type.js';
import { type Memremap, MemremapToken } from './memremap.js';
import { type MigrateVmaArgs, vmaOf } from './migrate-args.js';
import {
  asBase,
  isCompound,
  MIGRATE_PFN_MIGRATE,
  migratePfnToPage,
  withoutMigrate,
} from './migrate-pfn.js';

/** A place without a page, and the page that is to go there. */
interface Hole {
  readonly vma: Vma;
  readonly slot: number;
  readonly page: number;
}

/**
 * Puts a destination where nothing was: a new anonymous page (mm/migrate_device.c:
 * migrate_vma_insert_page, migrate_vma_insert_huge_pmd_page).
 */
@injectable()
export class MigrateInsert {
  private readonly thpFaultAlloc = Vmstat.index('thp_fault_alloc');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(PmdsToken) private readonly pmds: Pmds,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MemcontrolToken) private readonly memcontrol: Memcontrol,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(MemremapToken) private readonly memremap: Memremap,
    @inject(DevicePrivateEntriesToken) private readonly entries: DevicePrivateEntries,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /** The first hole of a migration: the mirrors learn that the rest of the range changes. */
  notify(args: MigrateVmaArgs, vpn: number): void {
    this.notifiers.invalidate(args.mm.id, vpn, args.end, MMU_NOTIFY_MIGRATE, args.owner);
  }

  /** @returns did the page go there? */
  page(args: MigrateVmaArgs, vpn: number, page: number): boolean {
    const area = vmaOf(args);
    if (area.file !== null || !this.isTaken(page)) return false;
    const vma = args.mm.prepareAnonVma(area);
    const slot = this.ptes.slot(args.mm.id, vpn);
    const leaf = slot >> LEAF_SHIFT;
    if (this.ptes.pmd[leaf] === PMD_HUGE) {
      if ((this.ptes.bits[slot]! & PTE_SPECIAL) === 0) return false;
      this.pmds.split(leaf);
    }
    if (this.memcontrol.charge(page, args.mm, GFP_KERNEL) < 0) return false;
    const bits = this.ptes.bits[slot]!;
    const isFree = bits === 0 || (bits & PTE_SPECIAL) !== 0;
    if (!isFree || userfaultfdMissing(vma)) return false;
    this.makeAnon(page);
    this.map({ vma, slot, page });
    this.addLru(page);
    return true;
  }

  /** A folio of PMD size in an empty PMD or over the huge zero page. */
  hugePmd(args: MigrateVmaArgs, vpn: number, folio: number): boolean {
    const area = vmaOf(args);
    const fits = vpn >= area.start && vpn + PTRS_PER_PTE <= area.end && vpn % PTRS_PER_PTE === 0;
    if (area.file !== null || !fits || !this.isTaken(folio)) return false;
    const vma = args.mm.prepareAnonVma(area);
    if (this.memcontrol.charge(folio, args.mm, GFP_KERNEL) < 0) return false;
    const first = this.ptes.slot(args.mm.id, vpn);
    const leaf = first >> LEAF_SHIFT;
    const pmd = this.ptes.pmd[leaf]!;
    const isZero = pmd === PMD_HUGE && (this.ptes.bits[first]! & PTE_SPECIAL) !== 0;
    if (userfaultfdMissing(vma) || !(pmd === PMD_NONE || isZero)) return false;
    this.makeAnon(folio);
    this.mapping.whole(leaf, () => {
      for (let at = 0; at < PTRS_PER_PTE; at++) {
        this.map({ vma, slot: (leaf << LEAF_SHIFT) | at, page: folio + at });
      }
    });
    this.mapping.setPmd(leaf);
    this.addLru(folio);
    this.vmstat.add(this.thpFaultAlloc, 1);
    return true;
  }

  /** Does its type take anonymous memory? */
  private isTaken(page: number): boolean {
    const pgmap = this.memremap.pgmapOf(page);
    return pgmap === null || isDriverAllocated(pgmap.request.type);
  }

  private makeAnon(folio: number): void {
    this.table.set(folio, PG_anon | PG_swapbacked);
    const pages = this.table.nrPages(folio);
    for (let at = folio; at < folio + pages; at++) this.table.set(at, PG_anon_exclusive);
  }

  private addLru(folio: number): void {
    if (this.memremap.pgmapOf(folio) === null) this.folios.addLru(folio);
  }

  private map({ vma, slot, page }: Hole): void {
    if ((this.ptes.bits[slot]! & PTE_SPECIAL) !== 0) this.mapping.change(slot, 0, -1);
    const isWritable = (vma.flags & VM_WRITE) !== 0;
    const write = isWritable ? PTE_WRITE : 0;
    const bits = this.memremap.isDevicePrivate(page)
      ? this.entries.readBits | write
      : PTE_PRESENT | write | (isWritable ? PTE_MKDIRTY : 0);
    this.folios.get(this.table.head(page));
    this.mapping.map(slot, page, bits);
  }
}
export const MigrateInsertToken = createToken<MigrateInsert>('MigrateInsert');

/** Fills the holes of one migration, in the order of its entries. */
export class HoleFiller {
  private notified = false;

  constructor(
    private readonly insert: MigrateInsert,
    private readonly args: MigrateVmaArgs,
  ) {}

  /** The hole at an index, if it takes part. @returns entries dealt with */
  fill(at: number): number {
    const { src, dst, start } = this.args;
    if ((src[at]! & MIGRATE_PFN_MIGRATE) === 0) return 1;
    if (!this.notified) this.insert.notify(this.args, start + at);
    this.notified = true;
    const isWhole = isCompound(src[at]!);
    if (isWhole && isCompound(dst[at]!)) {
      const done = this.insert.hugePmd(this.args, start + at, migratePfnToPage(dst[at]!));
      if (!done) src[at] = withoutMigrate(src[at]!);
      return PMD_PAGES;
    }
    src[at] = asBase(src[at]!);
    const pages = isWhole ? Math.min(PMD_PAGES, src.length - at) : 1;
    for (let i = at; i < at + pages; i++) this.fillPage(i);
    return pages;
  }

  private fillPage(at: number): void {
    const { src, dst, start } = this.args;
    const page = migratePfnToPage(dst[at]!);
    const done = page >= 0 && this.insert.page(this.args, start + at, page);
    src[at] = done ? MIGRATE_PFN_MIGRATE : 0;
  }
}

const PMD_PAGES = 1 << PMD_ORDER;
