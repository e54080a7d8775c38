import { VM_MAYBE_GUARD } from '../abi/mman.js';
import { isMarker, PTE_MARKER_GUARD, PTE_TYPE_MARKER } from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type Zap, ZapToken } from './zap.js';

/** Guard regions: entries that raise SIGSEGV, without areas of their own (mm/madvise.c). */
@injectable()
export class MadviseGuard {
  constructor(
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(ZapToken) private readonly zap: Zap,
  ) {}

  /** What stands in the range goes; each page gets a marker (madvise_guard_install). */
  install(mm: MmStruct, part: Vma): void {
    this.mayGuard(mm, part);
    this.zap.range(mm, part.start, part.end);
    for (let vpn = part.start; vpn < part.end; vpn++) {
      const slot = this.ptes.slot(mm.id, vpn);
      this.mapping.setEntry(slot, PTE_TYPE_MARKER, PTE_MARKER_GUARD);
    }
  }

  /** The pages are holes again; whatever else stands there is left (madvise_guard_remove). */
  remove(mm: MmStruct, part: Vma): void {
    this.ptes.walk(mm.id, part.start, part.end, (slot) => {
      const isGuard = isMarker(this.ptes.bits[slot]!, this.ptes.value[slot]!, PTE_MARKER_GUARD);
      if (isGuard) this.mapping.setEntry(slot, 0, 0);
    });
  }

  /** The whole area remembers, so that fork copies its entries; it counts as used from now on. */
  private mayGuard(mm: MmStruct, part: Vma): void {
    const vma = mm.find(part.start);
    if (vma === null) return;
    if ((vma.flags & VM_MAYBE_GUARD) === 0) {
      mm.replace(vma.start, vma.end, [{ ...vma, flags: vma.flags | VM_MAYBE_GUARD }]);
    }
    const marked = mm.find(part.start);
    if (marked !== null && marked.file === null) mm.prepareAnonVma(marked);
  }
}
export const MadviseGuardToken = createToken<MadviseGuard>('MadviseGuard');
