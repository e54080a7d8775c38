import {
  createToken,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  LEAF_SHIFT,
  type Mapping,
  MappingToken,
  MMU_NOTIFY_MIGRATE,
  type MmuNotifiers,
  MmuNotifiersToken,
  PG_anon_exclusive,
  PG_pinned,
  PMD_HUGE,
  PMD_NONE,
  PTE_SPECIAL,
  PTE_WRITE,
  PTRS_PER_PTE,
  type Ptes,
  PtesToken,
  pteHoldsPage,
  pteMapsPage,
  type RmapWalk,
  RmapWalkToken,
} from '@mm-lab/mm-core';
import { type DevicePrivateEntries, DevicePrivateEntriesToken } from './device-private-entry.js';
import { type DeviceSplit, DeviceSplitToken } from './device-split.js';
import { type Memremap, MemremapToken } from './memremap.js';
import { type MigrateVmaArgs, vmaOf } from './migrate-args.js';
import {
  MIGRATE_PFN_COMPOUND,
  MIGRATE_PFN_MIGRATE,
  MIGRATE_PFN_WRITE,
  MIGRATE_VMA_SELECT_COMPOUND,
  MIGRATE_VMA_SELECT_DEVICE_COHERENT,
  MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
  MIGRATE_VMA_SELECT_SYSTEM,
  migratePfn,
} from './migrate-pfn.js';

/** A part of the range under one PMD. */
interface Part {
  readonly slot: number;
  readonly from: number;
  readonly to: number;
  /**
   * Folio that the fault has locked, or -1: as it was when the walk came here, so a page that a
   * split took out of it counts as locked by somebody else, and moves at the next fault only.
   */
  readonly faultFolio: number;
}

/**
 * The first half of setup (mm/migrate_device.c:migrate_vma_collect): walks a range, takes a
 * reference and the lock of every page that is selected, and puts a migration entry in the place of
 * the mapping it came by. Other mappings are migrate_device_unmap's.
 */
@injectable()
export class MigrateCollect {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(MemremapToken) private readonly memremap: Memremap,
    @inject(DevicePrivateEntriesToken) private readonly entries: DevicePrivateEntries,
    @inject(DeviceSplitToken) private readonly deviceSplit: DeviceSplit,
  ) {}

  /** Fills `args.src`. @returns present entries that were unmapped, which need a TLB flush */
  run(args: MigrateVmaArgs): number {
    const { mm, start, end, owner } = args;
    this.notifiers.invalidate(mm.id, start, end, MMU_NOTIFY_MIGRATE, owner);
    let unmapped = 0;
    for (let from = start; from < end; ) {
      const to = Math.min(end, (Math.floor(from / PTRS_PER_PTE) + 1) * PTRS_PER_PTE);
      const slot = this.ptes.find(mm.id, from);
      const faultFolio = args.faultPage < 0 ? -1 : this.table.head(args.faultPage);
      unmapped += this.pmd(args, { slot, from, to, faultFolio });
      from = to;
    }
    return unmapped;
  }

  private pmd(args: MigrateVmaArgs, part: Part): number {
    const { slot } = part;
    const pmd = slot < 0 ? PMD_NONE : this.ptes.pmd[slot >> LEAF_SHIFT]!;
    if (pmd === PMD_NONE) {
      this.holes(args, part);
      return 0;
    }
    if (pmd === PMD_HUGE) {
      const unmapped = this.hugePmd(args, part);
      if (unmapped !== null) return unmapped;
    }
    return this.table512(args, part);
  }

  /** migrate_vma_collect_hole: only anonymous areas are filled. */
  private holes(args: MigrateVmaArgs, { from, to }: Part): void {
    if (vmaOf(args).file !== null) return;
    const at = from - args.start;
    if (keepsWhole(args, from, to)) {
      args.src[at] = MIGRATE_PFN_MIGRATE | MIGRATE_PFN_COMPOUND;
      args.cpages++;
      return;
    }
    args.src.fill(MIGRATE_PFN_MIGRATE, at, at + (to - from));
    args.cpages += to - from;
  }

  /**
   * A PMD that is one entry (migrate_vma_collect_huge_pmd). @returns entries unmapped, or null: it
   * was split, look at its page table
   */
  private hugePmd(args: MigrateVmaArgs, part: Part): number | null {
    const { slot, from, to, faultFolio } = part;
    const bits = this.ptes.bits[slot]!;
    if ((bits & PTE_SPECIAL) !== 0) {
      if (this.selectsSystem(args)) this.holes(args, part);
      return 0;
    }
    if (!pteHoldsPage(bits)) return 0;
    const isPresent = pteMapsPage(bits);
    const folio = this.table.head(this.ptes.value[slot]!);
    // A present PMD asks for system memory whatever it maps, as the kernel's code has it.
    if (isPresent ? !this.selectsSystem(args) : !this.selectsPrivate(args, folio, bits)) return 0;
    if (keepsWhole(args, from, to)) {
      if (!this.lock(folio, faultFolio)) return 0;
      if (this.toMigrationPmd(slot >> LEAF_SHIFT, folio)) {
        const write = (bits & PTE_WRITE) !== 0 ? MIGRATE_PFN_WRITE : 0;
        const flags = write + MIGRATE_PFN_MIGRATE + MIGRATE_PFN_COMPOUND;
        args.src[from - args.start] = migratePfn(folio) + flags;
        args.cpages++;
        return isPresent ? 1 : 0;
      }
      this.unlock(folio, faultFolio);
    }
    return this.deviceSplit.split(folio, args.faultPage) ? null : 0;
  }

  private table512(args: MigrateVmaArgs, part: Part): number {
    const { slot, from, to, faultFolio } = part;
    let unmapped = 0;
    for (let vpn = from; vpn < to; vpn++) {
      const own = slot + (vpn - from);
      const wasPresent = pteMapsPage(this.ptes.bits[own]!);
      const entry = this.pte(args, own, faultFolio);
      if (entry < 0) return unmapped;
      args.src[vpn - args.start] = entry;
      if (entry === 0) continue;
      args.cpages++;
      if (entry !== MIGRATE_PFN_MIGRATE && wasPresent) unmapped++;
    }
    return unmapped;
  }

  /** The src entry for one page-table entry; 0 = not selected, -1: give up the rest of the PMD. */
  private pte(args: MigrateVmaArgs, slot: number, faultFolio: number): number {
    const bits = this.ptes.bits[slot]!;
    if (bits === 0) return vmaOf(args).file === null ? MIGRATE_PFN_MIGRATE : 0;
    if (!pteHoldsPage(bits)) return 0;
    if ((bits & PTE_SPECIAL) !== 0) return this.selectsSystem(args) ? MIGRATE_PFN_MIGRATE : 0;
    const page = this.ptes.value[slot]!;
    if (!this.selects(args, page, bits)) return 0;
    if (this.table.order[page]! > 0) {
      if (!this.deviceSplit.split(this.table.head(page), args.faultPage)) return -1;
      return this.pte(args, slot, faultFolio);
    }
    if (!this.lock(page, faultFolio)) return 0;
    if (!this.toMigration(slot, page)) {
      this.unlock(page, faultFolio);
      return 0;
    }
    const write = (bits & PTE_WRITE) !== 0 ? MIGRATE_PFN_WRITE : 0;
    return migratePfn(page) + MIGRATE_PFN_MIGRATE + write;
  }

  private selects(args: MigrateVmaArgs, page: number, bits: number): boolean {
    if (!pteMapsPage(bits)) return this.selectsPrivate(args, page, bits);
    const pgmap = this.memremap.pgmapOf(page);
    if (pgmap === null) return this.selectsSystem(args);
    if (!pgmap.isCoherent() || pgmap.owner !== args.owner) return false;
    return (args.flags & MIGRATE_VMA_SELECT_DEVICE_COHERENT) !== 0;
  }

  private selectsSystem({ flags }: MigrateVmaArgs): boolean {
    return (flags & MIGRATE_VMA_SELECT_SYSTEM) !== 0;
  }

  private selectsPrivate({ flags, owner }: MigrateVmaArgs, page: number, bits: number): boolean {
    if (!this.entries.matches(bits) || (flags & MIGRATE_VMA_SELECT_DEVICE_PRIVATE) === 0) {
      return false;
    }
    return this.memremap.pgmapOf(page)?.owner === owner;
  }

  /** Reference and lock; best effort, so that two migrations never wait for each other. */
  private lock(folio: number, faultFolio: number): boolean {
    if (folio !== faultFolio && !this.folios.trylock(folio)) return false;
    this.folios.get(folio);
    return true;
  }

  private unlock(folio: number, faultFolio: number): void {
    if (folio !== faultFolio) this.folios.unlock(folio);
    this.folios.put(folio);
  }

  /** An exclusive page that may be pinned keeps its mapping (folio_try_share_anon_rmap_pte). */
  private toMigration(slot: number, page: number): boolean {
    const isPinned = this.table.has(page, PG_pinned);
    if (isPinned && this.table.has(page, PG_anon_exclusive)) return false;
    this.rmapWalk.slotToMigration(slot);
    this.table.clear(page, PG_anon_exclusive);
    this.folios.put(page);
    return true;
  }

  /** set_pmd_migration_entry. */
  private toMigrationPmd(leaf: number, folio: number): boolean {
    const isPinned = this.table.has(folio, PG_pinned);
    if (isPinned && this.table.has(folio, PG_anon_exclusive)) return false;
    this.mapping.whole(leaf, () => {
      for (let at = 0; at < PTRS_PER_PTE; at++) {
        this.rmapWalk.slotToMigration((leaf << LEAF_SHIFT) | at);
        this.table.clear(folio + at, PG_anon_exclusive);
        this.folios.put(folio);
      }
    });
    return true;
  }
}
export const MigrateCollectToken = createToken<MigrateCollect>('MigrateCollect');

/** Is the part a whole PMD, and may it stay one? */
function keepsWhole({ flags }: MigrateVmaArgs, from: number, to: number): boolean {
  const isWhole = from % PTRS_PER_PTE === 0 && to - from === PTRS_PER_PTE;
  return isWhole && (flags & MIGRATE_VMA_SELECT_COMPOUND) !== 0;
}
