import { PTE_TYPE_PLUGIN_FIRST, PTE_TYPE_PLUGIN_LAST } from '../abi/pte.js';
import { createToken } from '../base/di.js';
import { MmError } from '../hooks/errors.js';
import type { VmFault } from '../hooks/vm-fault.js';

/**
 * A kind of non-present entry that a plugin defines (as device-private entries are in Linux,
 * include/linux/swapops.h). `payload` is the entry's value column: what it names is the plugin's
 * affair, unless the entry has PTE_UNADDRESSABLE: then it is a pfn that the entry maps, and the
 * core keeps references, mapcount, reverse map and rss as it does for a present entry: zap, fork
 * and mprotect need nothing of the plugin, and migration entries take their place and give it back.
 */
export interface EntryType {
  readonly name: string;
  /**
   * How smaps finds out who shares the page that an unaddressable entry maps: by its mapcount, as
   * if the entry were present, or not at all (absent): then it counts as shared.
   */
  readonly sharing?: 'mapcount';
  /**
   * An access hit the entry; the page-table lock is held and must be released. @returns VM_FAULT_*
   */
  fault(vmf: VmFault): number;
  /** The entry goes (munmap, exit, MADV_DONTNEED); the core empties the slot afterwards. */
  zap(slot: number, payload: number): void;
  /**
   * fork copies the entry to a child; both name the same thing afterwards and neither may write
   * without a fault.
   */
  fork(parentSlot: number, childSlot: number, payload: number): void;
  /**
   * Makes the entry a present one again, before fork copies it; for types that may not be shared.
   * @returns could it? Else fork fails with -EBUSY
   */
  restore?(slot: number): boolean;
  /**
   * Does the entry map a page of this device's own, which it reaches without a fault
   * (hmm_range_fault with dev_private_owner)? Absent: of nobody's.
   */
  isOf?(payload: number, devPrivateOwner: object): boolean;
  /** mremap moved the entry. */
  move(from: number, to: number, payload: number): void;
  /** Identity of the contents behind the entry, for checks (`FolioTable.version`). */
  version(payload: number): number;
}

/** The entry types that plugins registered, by number. */
export class EntryTypes {
  private readonly types: EntryType[] = [];

  /** @returns the type number to store in entries */
  register(type: EntryType): number {
    if (this.types.length > PTE_TYPE_PLUGIN_LAST - PTE_TYPE_PLUGIN_FIRST) {
      throw new MmError('ENTRY_TYPE_LIMIT', { plugin: type.name });
    }
    this.types.push(type);
    return PTE_TYPE_PLUGIN_FIRST + this.types.length - 1;
  }

  /** The type of a number, or null if it is not a plugin's. */
  get(number: number): EntryType | null {
    return this.types[number - PTE_TYPE_PLUGIN_FIRST] ?? null;
  }
}
export const EntryTypesToken = createToken<EntryTypes>('EntryTypes');
