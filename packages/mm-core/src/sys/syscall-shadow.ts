import { VM_WIPEONFORK } from '../abi/mman.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct } from '../mem/vma.js';

/**
 * What system calls do to the contents that a program may expect: kept apart from what the mm does
 * to the pages.
 */
@injectable()
export class SyscallShadow {
  constructor(@inject(PtesToken) private readonly ptes: Ptes) {}

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

  /** A child sees what its parent saw at the fork. */
  copyTo(parent: MmStruct, child: MmStruct): void {
    for (const vma of child.vmas) {
      if ((vma.flags & VM_WIPEONFORK) !== 0) continue;
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
export const SyscallShadowToken = createToken<SyscallShadow>('SyscallShadow');
