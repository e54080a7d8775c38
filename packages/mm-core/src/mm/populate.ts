import { EFAULT, EHWPOISON, EINTR, EINVAL, ENOMEM } from '../abi/errno.js';
import { VM_LOCKONFAULT, VM_READ, VM_SHARED, VM_WRITE } from '../abi/mman.js';
import { PG_dirty } from '../abi/page-flags.js';
import { PTE_DIRTY, PTE_PRESENT, PTE_WRITE, pteMapsPage } from '../abi/pte.js';
import {
  VM_FAULT_ERROR,
  VM_FAULT_HWPOISON,
  VM_FAULT_HWPOISON_LARGE,
  VM_FAULT_MAJOR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
} from '../abi/vm-fault.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type MmStruct, type Vma, vmaAllows } from '../mem/vma.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Memory, MemoryToken } from './memory.js';
import { type OomKill, OomKillToken } from './oom-kill.js';
import { type Work, WorkToken } from './work.js';

/** Tries of one page: a fenced one takes two, a swapped one three. */
const TRIES_MAX = 16;

/** Faults a range in before anybody touches it (mm/gup.c:__mm_populate, faultin_page_range). */
@injectable()
export class Populate {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MemoryToken) private readonly memory: Memory,
    @inject(OomKillToken) private readonly oom: OomKill,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * What mlock and mmap populate: writable private parts by a store, everything else by a load;
   * holes are passed by. @returns 0, or the first -errno, what lies before it is populated
   */
  range(mm: MmStruct, start: number, end: number): number {
    for (const part of mm.within(start, end)) {
      const rc = this.vma(mm, part);
      if (rc < 0) return rc;
    }
    return 0;
  }

  /** The same, going on behind what fails (mm_populate). */
  rangeIgnoringErrors(mm: MmStruct, start: number, end: number): void {
    for (const part of mm.within(start, end)) this.vma(mm, part);
  }

  /**
   * One area or part of one (populate_vma_page_range); poison is a fault like any other here, as
   * without FOLL_HWPOISON.
   */
  vma(mm: MmStruct, part: Vma): number {
    if ((part.flags & VM_LOCKONFAULT) !== 0) return 0;
    const write = (part.flags & (VM_WRITE | VM_SHARED)) === VM_WRITE;
    if (!vmaAllows(part, write)) return -EFAULT;
    const rc = this.pages(mm, part, write);
    return rc === -EHWPOISON ? -EFAULT : rc;
  }

  /**
   * MADV_POPULATE_READ and _WRITE.
   * @returns 0; -ENOMEM at a hole; -EINVAL where the area forbids it; -EFAULT for what a program
   *   would get a signal for; -EHWPOISON; what lies before is populated
   */
  faultIn(mm: MmStruct, start: number, end: number, write: boolean): number {
    let at = start;
    for (const part of mm.within(start, end)) {
      if (part.start > at) return -ENOMEM;
      if ((part.flags & (write ? VM_WRITE : VM_READ)) === 0) return -EINVAL;
      const rc = this.pages(mm, part, write);
      if (rc < 0) return rc;
      at = part.end;
    }
    return at < end ? -ENOMEM : 0;
  }

  private pages(mm: MmStruct, part: Vma, write: boolean): number {
    let rc = 0;
    for (let vpn = part.start; vpn < part.end && rc === 0; vpn++) rc = this.page(mm, vpn, write);
    this.folios.lruAddDrain();
    return rc;
  }

  /** Faults until the page is mapped as wanted (faultin_page). */
  private page(mm: MmStruct, vpn: number, write: boolean): number {
    for (let attempt = 0; attempt < TRIES_MAX; attempt++) {
      const bits = this.ptes.bits[this.ptes.slot(mm.id, vpn)]!;
      if (write ? (bits & WRITABLE) === WRITABLE : pteMapsPage(bits)) {
        if (write) this.touch(mm, vpn, bits);
        return 0;
      }
      const result = this.memory.handleMmFault(mm, vpn, write, this.work.cpuNid);
      this.account(result);
      if (this.oom.isVictim(mm.id)) return -EINTR;
      if ((result & VM_FAULT_ERROR) !== 0) return errnoOf(result);
    }
    return -EFAULT;
  }

  /** The kernel means to store there: the folio is dirty, if no entry says so (FOLL_TOUCH). */
  private touch(mm: MmStruct, vpn: number, bits: number): void {
    if ((bits & PTE_DIRTY) !== 0) return;
    const pfn = this.ptes.value[this.ptes.slot(mm.id, vpn)]!;
    this.table.set(this.table.head(pfn), PG_dirty);
  }

  /** Faults of the kernel's own count for the task like any other (mm_account_fault). */
  private account(result: number): void {
    const { current } = this.work;
    if (current === null || (result & (VM_FAULT_RETRY | VM_FAULT_ERROR)) !== 0) return;
    if ((result & VM_FAULT_MAJOR) !== 0) current.majFlt++;
    else current.minFlt++;
  }
}
export const PopulateToken = createToken<Populate>('Populate');

const WRITABLE = PTE_PRESENT | PTE_WRITE;

/** vm_fault_to_errno. */
function errnoOf(result: number): number {
  if ((result & VM_FAULT_OOM) !== 0) return -ENOMEM;
  return (result & (VM_FAULT_HWPOISON | VM_FAULT_HWPOISON_LARGE)) !== 0 ? -EHWPOISON : -EFAULT;
}
