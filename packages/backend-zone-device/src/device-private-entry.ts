import {
  type Clock,
  ClockToken,
  createToken,
  type EntryType,
  type EntryTypes,
  EntryTypesToken,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  type Migrate,
  MigrateToken,
  PTE_TYPE_SHIFT,
  PTE_UNADDRESSABLE,
  PTE_WRITE,
  type Ptes,
  PtesToken,
  pteType,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  type VmFault,
} from '@mm-lab/mm-core';
import { type Memremap, MemremapToken } from './memremap.js';

/**
 * Entries that map a DEVICE_PRIVATE page (include/linux/swapops.h, leafops.h). Linux has a write
 * and a read form; here they are one type with and without PTE_WRITE. Whether a page is exclusive
 * stands at the page, as it does for present entries. Entries of a leaf that is one of a PMD stand
 * for the PMD's form.
 *
 * An entry: write --fork, mprotect--> read; either --access--> migrated to RAM, a present entry
 * then; a read one becomes a write one never in place.
 */
@injectable()
export class DevicePrivateEntries implements EntryType {
  readonly name = 'device-private';
  readonly sharing = 'mapcount';
  private readonly type: number;

  constructor(
    @inject(EntryTypesToken) entryTypes: EntryTypes,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MemremapToken) private readonly memremap: Memremap,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(ClockToken) private readonly clock: Clock,
  ) {
    this.type = entryTypes.register(this);
  }

  /** Bits of an entry in the read form; add PTE_WRITE for the write form. */
  get readBits(): number {
    return (this.type << PTE_TYPE_SHIFT) | PTE_UNADDRESSABLE;
  }

  /** Is it one of ours (softleaf_is_device_private)? */
  matches(bits: number): boolean {
    return (bits & PTE_UNADDRESSABLE) !== 0 && pteType(bits) === this.type;
  }

  /** Was the CPU's mapping writable (softleaf_is_device_private_write)? */
  isWrite(bits: number): boolean {
    return (bits & PTE_WRITE) !== 0;
  }

  /**
   * An access hit the entry (mm/memory.c:do_swap_page, mm/huge_memory.c:
   * do_huge_pmd_device_private): the driver brings the page, or all of a huge entry, to RAM.
   */
  fault(vmf: VmFault): number {
    const isHuge = this.ptes.isHuge(vmf.slot);
    const page = isHuge ? this.table.head(vmf.value) : vmf.value;
    const folio = this.table.head(page);
    const ops = this.memremap.pgmapOf(page)?.ops;
    if (ops?.migrate_to_ram === undefined) {
      vmf.unlock();
      return VM_FAULT_SIGBUS;
    }
    if (!this.folios.trylock(folio)) {
      vmf.unlock();
      return this.waitOnPage(folio);
    }
    this.folios.get(folio);
    vmf.unlock();
    const result = ops.migrate_to_ram(vmf, page);
    // The folio may have been split meanwhile: lock and reference stay with the page.
    const left = this.table.head(page);
    this.folios.unlock(left);
    this.folios.put(left);
    return result;
  }

  /** The core has dropped mapping and reference. */
  zap(): void {}

  /** The core has made both entries read ones, the child's with a mapping of its own. */
  fork(): void {}

  /** The core has moved the mapping. */
  move(): void {}

  /** A device reaches its own pages (hmm_range_fault). */
  isOf(payload: number, devPrivateOwner: object): boolean {
    return this.memremap.pgmapOf(payload)?.owner === devPrivateOwner;
  }

  version(payload: number): number {
    return this.table.version[payload]!;
  }

  /** softleaf_entry_wait_on_locked. */
  private waitOnPage(page: number): number {
    const until = this.migrate.completionOf(page);
    if (until > this.clock.now && !this.clock.inEvent()) {
      this.clock.advance(until - this.clock.now);
    }
    return VM_FAULT_RETRY;
  }
}
export const DevicePrivateEntriesToken = createToken<DevicePrivateEntries>('DevicePrivateEntries');
