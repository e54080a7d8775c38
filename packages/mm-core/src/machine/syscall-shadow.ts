import { EINVAL } from '../abi/errno.js';
import { MADV_DONTNEED, VM_LOCKED } from '../abi/mman.js';
import type { Ptes } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';

/**
 * What system calls do to the contents that a program may expect: kept apart from what the mm does
 * to the pages.
 */
export class SyscallShadow {
  constructor(private readonly ptes: Ptes) {}

  /** The range reads as zeroes from now on. */
  clear(mmId: number, start: number, pages: number): void {
    this.each(mmId, start, start + pages, (slot) => {
      this.ptes.shadow[slot] = 0;
    });
  }

  /** Expectations of a range that are not zero. */
  read(mmId: number, start: number, pages: number): Map<number, number> {
    const found = new Map<number, number>();
    this.each(mmId, start, start + pages, (slot, vpn) => {
      const version = this.ptes.shadow[slot]!;
      if (version !== 0) found.set(vpn - start, version);
    });
    return found;
  }

  /** Expectations by offset from `start`. */
  write(mmId: number, start: number, byOffset: ReadonlyMap<number, number>): void {
    for (const [offset, version] of byOffset) {
      this.ptes.shadow[this.ptes.slot(mmId, start + offset)] = version;
    }
  }

  /** The parts of the range that madvise would reach. */
  mappedBefore(mm: MmStruct, start: number, pages: number): readonly Vma[] {
    return mm.within(start, start + pages);
  }

  /**
   * MADV_DONTNEED drops the contents of the parts it reached: all of them, or none before an error.
   */
  afterAdvice(mmId: number, parts: readonly Vma[], advice: number, rc: number): void {
    if (advice !== MADV_DONTNEED) return;
    for (const part of parts) {
      const refused = rc === -EINVAL && (part.flags & VM_LOCKED) !== 0;
      if (refused) return;
      this.clear(mmId, part.start, part.end - part.start);
    }
  }

  /** A child sees what its parent saw at the fork. */
  copyTo(parent: MmStruct, child: MmStruct): void {
    for (const vma of child.vmas) {
      this.write(child.id, vma.start, this.read(parent.id, vma.start, vma.end - vma.start));
    }
  }

  private each(
    mmId: number,
    start: number,
    end: number,
    visit: (slot: number, vpn: number) => void,
  ): void {
    for (const [region, leaf] of this.ptes.regions(mmId)) {
      const first = region * 512;
      const from = Math.max(start, first);
      const to = Math.min(end, first + 512);
      for (let vpn = from; vpn < to; vpn++) visit((leaf << 9) | (vpn - first), vpn);
    }
  }
}
