import { ENOMEM } from '../abi/errno.js';
import { VM_LOCKED } from '../abi/mman.js';
import { PTE_PRESENT, PTE_SPECIAL, PTE_WRITE, pteMapsPage } from '../abi/pte.js';
import { VM_FAULT_ERROR } from '../abi/vm-fault.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type MmStruct, vmaAllows } from '../mem/vma.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Memory, MemoryToken } from './memory.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';

/** Tries of one page to be populated: a fenced one takes two, a swapped one three. */
const POPULATE_TRIES_MAX = 16;

/** mlock and munlock (mm/mlock.c). Simplified: no limits; see `MlockFolio`. */
@injectable()
export class Mlock {
  private readonly site = Sites.index('mlock.mlock_pte_range');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MemoryToken) private readonly memory: Memory,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
  ) {}

  /**
   * Locks and populates a range, writable parts by write.
   * @returns 0; -ENOMEM at the first hole (what lies before it is locked but not populated) or for
   *   what cannot be populated
   */
  mlock(mm: MmStruct, start: number, pages: number, nid: number): number {
    const end = this.setFlag(mm, start, pages, VM_LOCKED);
    if (end < start + pages) return -ENOMEM;
    for (let vpn = start; vpn < end; vpn++) {
      if (!this.populate(mm, vpn, nid)) return -ENOMEM;
    }
    this.folios.lruAddDrainAll();
    this.ptes.walk(mm.id, start, end, (slot) => this.lockEntry(slot));
    return 0;
  }

  /** @returns 0, or -ENOMEM at the first hole (what lies before it is unlocked) */
  munlock(mm: MmStruct, start: number, pages: number): number {
    const end = this.setFlag(mm, start, pages, 0);
    this.folios.lruAddDrainAll();
    this.ptes.walk(mm.id, start, end, (slot) => {
      const folio = this.folioAt(slot);
      if (folio >= 0) this.mlockFolio.unlock(folio);
    });
    return end < start + pages ? -ENOMEM : 0;
  }

  /** Faults until the page is mapped, writable if its area is (populate_vma_page_range). */
  private populate(mm: MmStruct, vpn: number, nid: number): boolean {
    const vma = mm.find(vpn);
    if (vma === null) return false;
    const write = vmaAllows(vma, true);
    const need = write ? PTE_WRITE | PTE_PRESENT : PTE_PRESENT;
    for (let attempt = 0; attempt < POPULATE_TRIES_MAX; attempt++) {
      const slot = this.ptes.slot(mm.id, vpn);
      if ((this.ptes.bits[slot]! & need) === need) return true;
      const result = this.memory.handleMmFault(mm, vpn, write, nid);
      if ((result & VM_FAULT_ERROR) !== 0) return false;
    }
    return false;
  }

  /** Managed folios are passed by; the call succeeds all the same (patch 06). */
  private lockEntry(slot: number): void {
    const folio = this.folioAt(slot);
    if (folio < 0 || this.managed.folio_is_private_managed(this.site, folio)) return;
    if (this.table.order[folio]! === 0) this.mlockFolio.lock(folio);
  }

  private folioAt(slot: number): number {
    const bits = this.ptes.bits[slot]!;
    if (!pteMapsPage(bits) || (bits & PTE_SPECIAL) !== 0) return -1;
    return this.table.head(this.ptes.value[slot]!);
  }

  /** Marks the areas up to the first hole. @returns the page behind the last one */
  private setFlag(mm: MmStruct, start: number, pages: number, flag: number): number {
    let at = start;
    for (const part of mm.within(start, start + pages)) {
      if (part.start > at) break;
      mm.replace(part.start, part.end, [{ ...part, flags: (part.flags & ~VM_LOCKED) | flag }]);
      at = part.end;
    }
    return at;
  }
}
export const MlockToken = createToken<Mlock>('Mlock');
