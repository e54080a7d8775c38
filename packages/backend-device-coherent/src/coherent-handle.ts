import {
  DeviceMirror,
  EINVAL,
  HMM_PFN_ERROR,
  HMM_PFN_VALID,
  HMM_PFN_WRITE,
  HMM_ZERO_PFN,
  type HmmRange,
  type Memory,
  type MirrorParts,
  type MirrorResult,
  type MmStruct,
  PMD_ORDER,
  PTE_PRESENT,
  PTE_SPECIAL,
  PTE_WRITE,
  type Ptes,
  VM_READ,
  VM_WRITE,
  type Vma,
  type Work,
} from '@mm-lab/mm-core';
import type { CoherentDriver } from './coherent-driver.js';

/** What a handle uses of the core. */
export interface HandleParts {
  readonly mirror: MirrorParts;
  readonly ptes: Ptes;
  readonly memory: Memory;
  readonly work: Work;
}

/** What a look at a page says, in the bytes of the kernel's test device. */
const PROT_ERROR = 0xff;
const PROT_READ = 0x01;
const PROT_WRITE = 0x02;
const PROT_PMD = 0x04;
const PROT_ZERO = 0x10;

/**
 * The device as one program uses it: the commands of the kernel's HMM test device, on a private
 * node. The mirror is the same as any driver's; memory is the driver's one call of migrate_pages.
 * Its pages are ordinary ones to whoever looks. Ranges are virtual page numbers.
 */
export class CoherentHandle {
  readonly mirror: DeviceMirror;

  constructor(
    private readonly parts: HandleParts,
    readonly driver: CoherentDriver,
    readonly mm: MmStruct,
  ) {
    this.mirror = new DeviceMirror(parts.mirror, mm, driver);
  }

  /** The last descriptor is closed. */
  close(): void {
    this.mirror.close();
    this.driver.evict();
  }

  /**
   * Moves a range to the device, holes too, and reads back what the device reaches without a
   * fault.
   */
  migrateToDevice(start: number, end: number): MirrorResult {
    const rc = this.eachArea(start, end, (vma, from, to) => {
      this.populate(vma, from, to);
      const wanted = this.systemPages(from, to);
      this.driver.migrateToDevice(this.mm, from, to - from);
      this.mapMoved(wanted);
    });
    return rc < 0 ? nothing(rc) : this.mirror.readMapped(start, end);
  }

  migrateToSystem(start: number, end: number): MirrorResult {
    let moved = 0;
    const rc = this.eachArea(start, end, (_vma, from, to) => {
      moved += this.driver.migrateToSystem(this.mm, from, to - from, this.parts.work.cpuNid).moved;
    });
    return rc < 0 ? nothing(rc) : { rc: 0, pages: moved, faults: 0, keys: [] };
  }

  /** A byte for each page, or -errno. */
  snapshot(start: number, end: number): number[] | number {
    const bytes: number[] = [];
    const rc = this.mirror.snapshot(start, end, (range, at) => bytes.push(protOf(range, at)));
    return rc < 0 ? rc : bytes;
  }

  private eachArea(
    start: number,
    end: number,
    visit: (vma: Vma, from: number, to: number) => void,
  ): number {
    for (let from = start; from < end; ) {
      const vma = this.mm.find(from);
      if (vma === null || (vma.flags & VM_READ) === 0) return -EINVAL;
      const to = Math.min(end, vma.end);
      visit(vma, from, to);
      from = to;
    }
    return 0;
  }

  /**
   * migrate_pages moves pages, not holes: the driver faults private anonymous memory in first, and
   * gives it pages of its own where the zero page stands.
   */
  private populate(vma: Vma, from: number, to: number): void {
    if (vma.file !== null) return;
    const { memory, ptes, work } = this.parts;
    const nid = work.cpuNid;
    const isWritable = (vma.flags & VM_WRITE) !== 0;
    for (let vpn = from; vpn < to; vpn++) {
      const slot = ptes.find(this.mm.id, vpn);
      const bits = slot < 0 ? 0 : ptes.bits[slot]!;
      if (bits === 0) memory.handleMmFault(this.mm, vpn, isWritable, nid);
      memory.unshareZero(this.mm, vpn, nid);
    }
  }

  /** Pages of the range that are not on the device yet. */
  private systemPages(from: number, to: number): number[] {
    const { ptes } = this.parts;
    const found: number[] = [];
    ptes.walk(this.mm.id, from, to, (slot, vpn) => {
      const bits = ptes.bits[slot]!;
      const isPage = (bits & PTE_PRESENT) !== 0 && (bits & PTE_SPECIAL) === 0;
      if (isPage && !this.driver.has(ptes.value[slot]!)) found.push(vpn);
    });
    return found;
  }

  private mapMoved(vpns: readonly number[]): void {
    const { ptes } = this.parts;
    for (const vpn of vpns) {
      const slot = ptes.find(this.mm.id, vpn);
      const bits = slot < 0 ? 0 : ptes.bits[slot]!;
      const pfn = slot < 0 ? -1 : ptes.value[slot]!;
      if ((bits & PTE_PRESENT) === 0 || !this.driver.has(pfn)) continue;
      this.mirror.set(vpn, pfn, (bits & PTE_WRITE) !== 0 ? 'write' : 'read');
    }
  }
}

function protOf({ flags, pfns, orders }: HmmRange, at: number): number {
  const found = flags[at]!;
  if ((found & HMM_PFN_ERROR) !== 0) return PROT_ERROR;
  if ((found & HMM_PFN_VALID) === 0) return 0;
  const access = (found & HMM_PFN_WRITE) !== 0 ? PROT_WRITE : PROT_READ;
  // The device knows the zero page, not the huge one.
  if (orders[at] === PMD_ORDER) return access | PROT_PMD;
  return access | (pfns[at] === HMM_ZERO_PFN ? PROT_ZERO : 0);
}

function nothing(rc: number): MirrorResult {
  return { rc, pages: 0, faults: 0, keys: [] };
}
