import { EINVAL } from '../abi/errno.js';
import { VM_MAYWRITE, VM_SHARED, VM_SOFTDIRTY } from '../abi/mman.js';
import { PG_pinned } from '../abi/page-flags.js';
import {
  PTE_SOFT_DIRTY,
  PTE_SPECIAL,
  PTE_WRITE,
  pteMapsNormalPage,
  pteMapsPage,
} from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { CostModel } from './cost-model.js';
import { type Mapping, MappingToken } from './mapping.js';
import { MMU_NOTIFY_SOFT_DIRTY, type MmuNotifiers, MmuNotifiersToken } from './mmu-notifier.js';
import { type Work, WorkToken } from './work.js';

/** What clear_refs is told to forget (fs/proc/task_mmu.c:enum clear_refs_types). */
const CLEAR_REFS_ALL = 1;
const CLEAR_REFS_ANON = 2;
const CLEAR_REFS_MAPPED = 3;
const CLEAR_REFS_SOFT_DIRTY = 4;
const CLEAR_REFS_MM_HIWATER_RSS = 5;

/** /proc/PID/clear_refs (fs/proc/task_mmu.c:clear_refs_write). */
@injectable()
export class ClearRefs {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(MmuNotifiersToken) private readonly notifiers: MmuNotifiers,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** @returns 0, or -EINVAL for a type that is none */
  write(mm: MmStruct, type: number): number {
    if (type < CLEAR_REFS_ALL || type > CLEAR_REFS_MM_HIWATER_RSS) return -EINVAL;
    if (type === CLEAR_REFS_MM_HIWATER_RSS) {
      mm.peakRss = mm.rss;
      return 0;
    }
    if (type === CLEAR_REFS_SOFT_DIRTY) {
      this.notifiers.invalidate(mm.id, 0, Infinity, MMU_NOTIFY_SOFT_DIRTY);
    }
    for (const vma of mm.vmas) {
      if (type === CLEAR_REFS_ANON && vma.file !== null) continue;
      if (type === CLEAR_REFS_MAPPED && vma.file === null) continue;
      if (type === CLEAR_REFS_SOFT_DIRTY) this.clearSoftDirty(mm, vma);
      else this.clearYoung(mm, vma);
    }
    this.work.charge(this.cost.tlbFlushNs(mm.activeCpus));
    return 0;
  }

  /** The area counts as stored to no more, and neither do its entries. */
  private clearSoftDirty(mm: MmStruct, vma: Vma): void {
    if ((vma.flags & VM_SOFTDIRTY) !== 0) {
      const fresh = { ...vma, flags: vma.flags & ~VM_SOFTDIRTY };
      mm.vmas = mm.vmas.map((other) => (other === vma ? fresh : other));
    }
    this.mapping.range(mm.id, vma.start, vma.end, (slot) => {
      const bits = this.ptes.bits[slot]!;
      if (!pteMapsPage(bits)) this.mapping.change(slot, 0, PTE_SOFT_DIRTY);
      else if (!this.isPinned(vma, slot)) this.mapping.change(slot, 0, PTE_SOFT_DIRTY | PTE_WRITE);
    });
  }

  /** A private page that a device may write to is never clean (pte_is_pinned). */
  private isPinned(vma: Vma, slot: number): boolean {
    if ((vma.flags & (VM_SHARED | VM_MAYWRITE)) !== VM_MAYWRITE) return false;
    if ((this.ptes.bits[slot]! & PTE_SPECIAL) !== 0) return false;
    return this.table.has(this.table.head(this.ptes.value[slot]!), PG_pinned);
  }

  private clearYoung(mm: MmStruct, vma: Vma): void {
    this.ptes.walk(mm.id, vma.start, vma.end, (slot) => {
      const bits = this.ptes.bits[slot]!;
      if (!pteMapsNormalPage(bits)) return;
      this.mapping.testAndClearYoung(slot);
      this.table.clearLruUses(this.table.head(this.ptes.value[slot]!));
    });
  }
}
export const ClearRefsToken = createToken<ClearRefs>('ClearRefs');
