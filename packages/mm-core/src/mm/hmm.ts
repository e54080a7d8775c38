import { EBUSY, EFAULT, ENOMEM, EPERM } from '../abi/errno.js';
import { VM_READ, VM_WRITE } from '../abi/mman.js';
import {
  isMarker,
  isMigrationType,
  PTE_MARKER_UFFD_WP,
  PTE_PRESENT,
  PTE_SPECIAL,
  PTE_TYPE_SWAP,
  PTE_UNADDRESSABLE,
  PTE_WRITE,
  pteMapsPage,
  pteType,
} from '../abi/pte.js';
import { VM_FAULT_ERROR, VM_FAULT_OOM, VM_FAULT_RETRY } from '../abi/vm-fault.js';
import { PMD_ORDER, PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { LEAF_SHIFT, PMD_HUGE, PMD_NONE, type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { type EntryTypes, EntryTypesToken } from './entry-types.js';
import { type Memory, MemoryToken } from './memory.js';
import { type Migrate, MigrateToken } from './migrate.js';
import type { MmuIntervalNotifier } from './mmu-notifier.js';
import { type Work, WorkToken } from './work.js';

/** What is found at a page; also what is asked for it (HMM_PFN_REQ_FAULT, HMM_PFN_REQ_WRITE). */
export const HMM_PFN_VALID = 1 << 0;
export const HMM_PFN_WRITE = 1 << 1;
export const HMM_PFN_ERROR = 1 << 2;
export const HMM_PFN_REQ_FAULT = HMM_PFN_VALID;
export const HMM_PFN_REQ_WRITE = HMM_PFN_WRITE;

/** What stands for the shared zero page, which has no frame in this machine. */
export const HMM_ZERO_PFN = -1;

/** A range that a device wants to map (struct hmm_range). */
export interface HmmRange {
  readonly mm: MmStruct;
  /** Virtual page numbers. */
  readonly start: number;
  readonly end: number;
  /** Covers the range; what it says since `notifierSeq` makes the answer void. */
  readonly notifier: MmuIntervalNotifier;
  readonly notifierSeq: number;
  /** In: HMM_PFN_REQ_* of each page, as far as the mask lets them; out: HMM_PFN_*. */
  readonly flags: number[];
  /** Out: the pfn of each page that is VALID. */
  readonly pfns: number[];
  /** Out: order of the mapping. */
  readonly orders: number[];
  /** HMM_PFN_REQ_* of every page. */
  readonly defaultFlags: number;
  readonly pfnFlagsMask: number;
  /** Whose pages are reported though no CPU can reach them (dev_private_owner). */
  readonly devPrivateOwner: object | null;
}

/** Arrays of a range, nothing asked of single pages. */
export function hmmRange(
  range: Omit<HmmRange, 'flags' | 'pfns' | 'orders' | 'pfnFlagsMask'>,
): HmmRange {
  const pages = range.end - range.start;
  const zeroes = (): number[] => new Array<number>(pages).fill(0);
  return { ...range, flags: zeroes(), pfns: zeroes(), orders: zeroes(), pfnFlagsMask: 0 };
}

/** Who fills pages for a fault that had to let go of the lock (userfaultfd): did it? */
export type FaultHelper = (vpn: number) => boolean;

/** Walks of one call, each after a fault. */
const WALKS_MAX = 1 << 16;

/** What a walk ended with: done, an error, or pages to fault in. */
type Walked = number | { readonly from: number; readonly to: number; readonly write: boolean };

/**
 * What a device with page tables of its own needs to know of a range, and faults for it
 * (mm/hmm.c:hmm_range_fault). Simplified: no areas without page structures (VM_IO, VM_PFNMAP).
 */
@injectable()
export class Hmm {
  constructor(
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MemoryToken) private readonly memory: Memory,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(EntryTypesToken) private readonly entryTypes: EntryTypes,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * Looks the range up, and faults in what is asked for and not there.
   * @param helper takes faults that would have to wait for a user (the variant that may drop the
   *   lock); without it they fail
   * @returns 0; -EBUSY if the range was invalidated meanwhile; -EFAULT, -EPERM, -ENOMEM
   */
  rangeFault(range: HmmRange, helper: FaultHelper | null = null): number {
    let from = range.start;
    for (let walk = 0; walk < WALKS_MAX; walk++) {
      if (range.notifier.readRetry(range.notifierSeq)) return -EBUSY;
      const walked = this.walk(range, from);
      if (typeof walked === 'number') return walked;
      const rc = this.fault(range.mm, walked, helper);
      if (rc < 0) return rc;
      from = walked.from;
    }
    return -EBUSY;
  }

  private walk(range: HmmRange, from: number): Walked {
    for (let vpn = from; vpn < range.end; ) {
      const leafEnd = (Math.floor(vpn / PTRS_PER_PTE) + 1) * PTRS_PER_PTE;
      const vma = range.mm.find(vpn);
      const next = range.mm.vmas.find((other) => other.start > vpn);
      const areaEnd = vma?.end ?? next?.start ?? Infinity;
      const end = Math.min(range.end, leafEnd, areaEnd);
      const walked = this.part(range, vma, vpn, end);
      if (walked !== 0) return walked;
      vpn = end;
    }
    return 0;
  }

  /** A part that lies in one area, or none, and in one leaf. */
  private part(range: HmmRange, vma: Vma | null, vpn: number, end: number): Walked {
    if (vma === null || (vma.flags & VM_READ) === 0) {
      if (this.needed(range, vpn, end, 0) !== null) return -EFAULT;
      return fill(range, vpn, end, HMM_PFN_ERROR);
    }
    const slot = this.ptes.find(range.mm.id, vpn);
    const pmd = slot < 0 ? PMD_NONE : this.ptes.pmd[slot >> LEAF_SHIFT]!;
    if (pmd === PMD_NONE) return this.hole(range, vpn, end);
    if (pmd === PMD_HUGE) return this.hugePmd(range, slot, vpn, end);
    for (let at = vpn; at < end; at++) {
      const walked = this.pte(range, slot + (at - vpn), at);
      if (walked !== 0) return walked;
    }
    return 0;
  }

  private hole(range: HmmRange, vpn: number, end: number): Walked {
    const needed = this.needed(range, vpn, end, 0);
    if (needed !== null) return { from: vpn, to: end, write: needed === 'write' };
    return fill(range, vpn, end, 0);
  }

  private hugePmd(range: HmmRange, slot: number, vpn: number, end: number): Walked {
    const bits = this.ptes.bits[slot]!;
    const own = this.ownFlags(range, slot);
    const found = own === 0 ? presentFlags(bits) : own;
    if (own === 0 && !pteMapsPage(bits)) return this.absentPmd(range, slot, vpn, end);
    const needed = own === 0 ? this.needed(range, vpn, end, found) : null;
    if (needed !== null) return { from: vpn, to: end, write: needed === 'write' };
    const isZero = (bits & PTE_SPECIAL) !== 0;
    for (let at = vpn; at < end; at++) {
      const pfn = isZero ? HMM_ZERO_PFN : this.ptes.value[slot + (at - vpn)]!;
      record(range, at, found, pfn, PMD_ORDER);
    }
    return 0;
  }

  private absentPmd(range: HmmRange, slot: number, vpn: number, end: number): Walked {
    const needed = this.needed(range, vpn, end, 0);
    if (isMigrationType(pteType(this.ptes.bits[slot]!))) {
      if (needed === null) return fill(range, vpn, end, 0);
      this.migrate.waitFor(this.ptes.value[slot]!);
      return -EBUSY;
    }
    if (needed === null) return fill(range, vpn, end, HMM_PFN_ERROR);
    return { from: vpn, to: end, write: needed === 'write' };
  }

  private pte(range: HmmRange, slot: number, vpn: number): Walked {
    const bits = this.ptes.bits[slot]!;
    const value = this.ptes.value[slot]!;
    const own = this.ownFlags(range, slot);
    if (own !== 0) return record(range, vpn, own, value, 0);
    const found = presentFlags(bits);
    const needed = this.needed(range, vpn, vpn + 1, found);
    const pfn = (bits & PTE_SPECIAL) === 0 ? value : HMM_ZERO_PFN;
    if (needed === null) return record(range, vpn, found, pfn, 0);
    const isHole = bits === 0 || isMarker(bits, value, PTE_MARKER_UFFD_WP);
    if (!isHole && !pteMapsPage(bits)) {
      const type = pteType(bits);
      if (isMigrationType(type)) {
        this.migrate.waitFor(value);
        return -EBUSY;
      }
      const isKnown = type === PTE_TYPE_SWAP || (bits & PTE_UNADDRESSABLE) !== 0;
      if (!isKnown) return -EFAULT;
    }
    return { from: vpn, to: vpn + 1, write: needed === 'write' };
  }

  /** Flags of an entry that maps a page of the caller's own; 0 for any other. */
  private ownFlags(range: HmmRange, slot: number): number {
    const bits = this.ptes.bits[slot]!;
    if ((bits & PTE_UNADDRESSABLE) === 0 || pteMapsPage(bits)) return 0;
    const type = this.entryTypes.get(pteType(bits));
    if (range.devPrivateOwner === null) return 0;
    if (type?.isOf?.(this.ptes.value[slot]!, range.devPrivateOwner) !== true) return 0;
    return HMM_PFN_VALID | ((bits & PTE_WRITE) !== 0 ? HMM_PFN_WRITE : 0);
  }

  /** What has to be faulted for pages with `found` (hmm_range_need_fault). */
  private needed(
    range: HmmRange,
    vpn: number,
    end: number,
    found: number,
  ): 'read' | 'write' | null {
    let needed: 'read' | null = null;
    for (let at = vpn; at < end; at++) {
      const asked = range.flags[at - range.start]! & range.pfnFlagsMask;
      const request = asked | range.defaultFlags;
      if ((request & HMM_PFN_REQ_FAULT) === 0) continue;
      const wantsWrite = (request & HMM_PFN_REQ_WRITE) !== 0;
      if (wantsWrite && (found & HMM_PFN_WRITE) === 0) return 'write';
      if ((found & HMM_PFN_VALID) === 0) needed = 'read';
      if (range.pfnFlagsMask === 0) break;
    }
    return needed;
  }

  /** hmm_do_fault. @returns 0 or -errno */
  private fault(
    mm: MmStruct,
    part: { readonly from: number; readonly to: number; readonly write: boolean },
    helper: FaultHelper | null,
  ): number {
    const vma = mm.find(part.from);
    if (vma === null) return -EFAULT;
    if (part.write && (vma.flags & VM_WRITE) === 0) return -EPERM;
    for (let vpn = part.from; vpn < part.to; vpn++) {
      const result = this.memory.handleMmFault(mm, vpn, part.write, this.work.cpuNid);
      if ((result & VM_FAULT_RETRY) !== 0) return 0;
      if ((result & VM_FAULT_ERROR) === 0) continue;
      if (helper?.(vpn) === true) return 0;
      return (result & VM_FAULT_OOM) !== 0 ? -ENOMEM : -EFAULT;
    }
    return 0;
  }
}
export const HmmToken = createToken<Hmm>('Hmm');

function presentFlags(bits: number): number {
  if ((bits & PTE_PRESENT) === 0) return 0;
  return HMM_PFN_VALID | ((bits & PTE_WRITE) !== 0 ? HMM_PFN_WRITE : 0);
}

function record(range: HmmRange, vpn: number, flags: number, pfn: number, order: number): 0 {
  const at = vpn - range.start;
  range.flags[at] = flags;
  range.pfns[at] = (flags & HMM_PFN_VALID) === 0 ? 0 : pfn;
  range.orders[at] = order;
  return 0;
}

function fill(range: HmmRange, vpn: number, end: number, flags: number): 0 {
  for (let at = vpn; at < end; at++) record(range, at, flags, 0, 0);
  return 0;
}
