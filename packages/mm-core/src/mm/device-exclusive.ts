import { EBUSY, EFAULT, ENOMEM, EOPNOTSUPP } from '../abi/errno.js';
import { VM_WRITE } from '../abi/mman.js';
import { PG_anon, PG_dirty, PG_hugetlb } from '../abi/page-flags.js';
import {
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_MKDIRTY,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_TYPE_MASK,
  PTE_TYPE_SHIFT,
  PTE_UNADDRESSABLE,
  PTE_WRITE,
} from '../abi/pte.js';
import { VM_FAULT_ERROR, VM_FAULT_OOM, VM_FAULT_RETRY } from '../abi/vm-fault.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { VmFault } from '../hooks/vm-fault.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { isAccessible } from '../mem/page-prot.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct } from '../mem/vma.js';
import { type EntryType, type EntryTypes, EntryTypesToken } from './entry-types.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type Memory, MemoryToken } from './memory.js';
import { type Mms, MmsToken } from './mms.js';
import {
  MMU_NOTIFY_CLEAR,
  MMU_NOTIFY_EXCLUSIVE,
  type MmuNotifiers,
  MmuNotifiersToken,
} from './mmu-notifier.js';
import { type Mprotect, MprotectToken } from './mprotect.js';
import { type Work, WorkToken } from './work.js';

/** Faults for one page before it is given up. */
const ATTEMPTS_MAX = 16;

/**
 * Memory that a device has to itself for a while (mm/rmap.c:make_device_exclusive): the entry of a
 * page of RAM is not present, so that an access of the CPU takes it back. The page stays where it
 * is, with its mapping, and on its LRU list.
 *
 * An entry: writable --make--> exclusive --access of a CPU, fork--> present again (writable if the
 * area lets it be). The type is registered when somebody first asks for it.
 */
@injectable()
export class DeviceExclusive implements EntryType {
  readonly name = 'device-exclusive';
  private readonly type: number;

  constructor(
    @inject(EntryTypesToken) entryTypes: EntryTypes,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(MemoryToken) private readonly memory: Memory,
    @inject(MprotectToken) private readonly mprotect: Mprotect,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(WorkToken) private readonly work: Work,
  ) {
    this.type = entryTypes.register(this);
  }

  /**
   * Makes one page exclusive; it comes back locked and with a reference (make_device_exclusive).
   * @param owner told to the mirrors, so that the caller's own may ignore it
   * @returns its pfn; -EFAULT if it can't be written to, -ENOMEM, -EOPNOTSUPP for huge pages of the
   *   pool and what is not anonymous, -EBUSY if somebody has it locked
   */
  make(mm: MmStruct, vpn: number, owner: object | null): number {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const pfn = this.faultIn(mm, vpn);
      if (pfn < 0) return pfn;
      const folio = this.table.head(pfn);
      if (!this.table.has(folio, PG_anon) || this.table.has(folio, PG_hugetlb)) return -EOPNOTSUPP;
      if (!this.folios.trylock(folio)) return -EBUSY;
      this.folios.get(folio);
      this.notifiers.invalidate(mm.id, vpn, vpn + 1, MMU_NOTIFY_EXCLUSIVE, owner);
      if (this.replace(mm, vpn, pfn)) return pfn;
      this.folios.unlock(folio);
      this.folios.put(folio);
    }
    return -EFAULT;
  }

  /** An access of a CPU takes the page back (remove_device_exclusive_entry). */
  fault(vmf: VmFault): number {
    vmf.unlock();
    const folio = this.table.head(vmf.value);
    if (!this.folios.trylock(folio)) return VM_FAULT_RETRY;
    this.folios.unlock(folio);
    this.notifiers.invalidate(vmf.mmId, vmf.vpn, vmf.vpn + 1, MMU_NOTIFY_CLEAR);
    this.restorePte(vmf.slot);
    return 0;
  }

  /** fork wants present entries only (try_restore_exclusive_pte). */
  restore(slot: number): boolean {
    const folio = this.table.head(this.ptes.value[slot]!);
    if (!this.folios.trylock(folio)) return false;
    this.folios.unlock(folio);
    this.restorePte(slot);
    return true;
  }

  zap(): void {}

  fork(): void {}

  move(): void {}

  version(payload: number): number {
    return this.table.version[payload]!;
  }

  /** Faults until the entry is writable (get_user_page_vma_remote with FOLL_WRITE). */
  private faultIn(mm: MmStruct, vpn: number): number {
    const need = PTE_PRESENT | PTE_WRITE;
    const vma = mm.find(vpn);
    if (vma === null || (vma.flags & VM_WRITE) === 0) return -EFAULT;
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const slot = this.ptes.find(mm.id, vpn);
      const bits = slot < 0 ? 0 : this.ptes.bits[slot]!;
      if ((bits & need) === need) return this.ptes.value[slot]!;
      const result = this.memory.handleMmFault(mm, vpn, true, this.work.cpuNid);
      if ((result & VM_FAULT_OOM) !== 0) return -ENOMEM;
      if ((result & VM_FAULT_ERROR) !== 0) return -EFAULT;
    }
    return -EFAULT;
  }

  /** A huge entry is split thereby (FOLL_SPLIT_PMD). @returns was the page still mapped there? */
  private replace(mm: MmStruct, vpn: number, pfn: number): boolean {
    const slot = this.ptes.find(mm.id, vpn);
    const bits = slot < 0 ? 0 : this.ptes.bits[slot]!;
    const isSame = (bits & PTE_WRITE) !== 0 && this.ptes.value[slot] === pfn;
    if (!isSame) return false;
    if ((bits & PTE_DIRTY) !== 0) this.table.set(this.table.head(pfn), PG_dirty);
    const exclusive = (this.type << PTE_TYPE_SHIFT) | PTE_UNADDRESSABLE;
    this.mapping.change(slot, exclusive, PRESENT_ONLY);
    return true;
  }

  /** restore_exclusive_pte: writable if the area and the page let it be. */
  private restorePte(slot: number): void {
    const mm = this.mms.get(this.ptes.mmOf(slot));
    const vma = mm.find(this.ptes.vpnOf(slot));
    const isOpen = vma !== null && isAccessible(vma);
    const present = isOpen ? PTE_PRESENT : PTE_PROTNONE;
    this.mapping.change(slot, present, PTE_TYPE_MASK | PTE_UNADDRESSABLE);
    const bits = this.ptes.bits[slot]!;
    if (vma === null || !this.mprotect.canChangeWritable(slot, bits, vma)) return;
    const isDirty = this.table.has(this.table.head(this.ptes.value[slot]!), PG_dirty);
    this.mapping.change(slot, PTE_WRITE | (isDirty ? PTE_MKDIRTY : 0), 0);
  }
}
export const DeviceExclusiveToken = createToken<DeviceExclusive>('DeviceExclusive');

/** What an exclusive entry has not: it is clean and old to the core. */
const PRESENT_ONLY = PTE_PRESENT | PTE_WRITE | PTE_ACCESSED | PTE_DIRTY;
