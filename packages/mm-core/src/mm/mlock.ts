import { ENOMEM } from '../abi/errno.js';
import { VM_DROPPABLE, VM_HUGETLB, VM_LOCKED, VM_LOCKED_MASK, VM_SPECIAL } from '../abi/mman.js';
import { pteMapsNormalPage } from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { GRANT_MLOCK } from '../hooks/grants.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { type Folios, FoliosToken } from './folio.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { type VmaEdit, VmaEditToken } from './vma-edit.js';

/** Locks and unlocks areas and the pages that stand in them (mm/mlock.c). See `MlockFolio`. */
@injectable()
export class Mlock {
  private readonly site = Sites.index('mlock.mlock_pte_range');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
    @inject(VmaEditToken) private readonly edit: VmaEdit,
  ) {}

  /**
   * Gives the areas of a range the lock flags; 0 unlocks (apply_vma_lock_flags).
   * @returns 0; -ENOMEM at the first hole or when areas run out: what lies before it is done
   */
  apply(mm: MmStruct, start: number, end: number, lockFlags: number): number {
    let at = start;
    for (const part of mm.within(start, end)) {
      if (part.start > at) return -ENOMEM;
      const rc = this.fixup(mm, part, lockFlags);
      if (rc < 0) return rc;
      at = part.end;
    }
    return at < end ? -ENOMEM : 0;
  }

  /** Every area there is; what fails is passed by (apply_mlockall_flags). */
  applyAll(mm: MmStruct, lockFlags: number): void {
    for (const vma of mm.vmas) this.fixup(mm, vma, lockFlags);
  }

  /** One area or part of one (mlock_fixup). */
  private fixup(mm: MmStruct, part: Vma, lockFlags: number): number {
    const flags = (part.flags & ~VM_LOCKED_MASK) | lockFlags;
    if (flags === part.flags || !supportsMlock(part.flags)) return 0;
    const rc = this.edit.modifyFlags(mm, part, flags);
    if (rc < 0) return rc;
    const was = (part.flags & VM_LOCKED) !== 0;
    const is = (flags & VM_LOCKED) !== 0;
    if (was !== is) this.pages(mm, part, is);
    return 0;
  }

  /** The pages that are mapped now (mlock_vma_pages_range); others follow when they fault. */
  private pages(mm: MmStruct, part: Vma, lock: boolean): void {
    this.folios.lruAddDrain();
    this.ptes.walk(mm.id, part.start, part.end, (slot, vpn) => {
      const folio = this.folioAt(slot);
      if (folio < 0) return;
      if (lock) this.lockFolio(folio, slot, vpn, part);
      else this.mlockFolio.unlock(folio);
    });
  }

  /** Managed folios are passed by; the call succeeds all the same (patch 06). */
  private lockFolio(folio: number, slot: number, vpn: number, part: Vma): void {
    if (!this.managed.folio_managed_allows(this.site, folio, GRANT_MLOCK)) return;
    if (this.isWhole(folio, slot, vpn, part)) this.mlockFolio.lock(folio);
  }

  /** A large folio is locked only if all of it is mapped in the range (allow_mlock_munlock). */
  private isWhole(folio: number, slot: number, vpn: number, { start, end }: Vma): boolean {
    const pages = this.table.nrPages(folio);
    const before = this.ptes.value[slot]! - folio;
    if (vpn - before < start || vpn - before + pages > end) return false;
    for (let at = 0; at < pages; at++) {
      const other = slot - before + at;
      if (!pteMapsNormalPage(this.ptes.bits[other]!) || this.ptes.value[other] !== folio + at) {
        return false;
      }
    }
    return true;
  }

  private folioAt(slot: number): number {
    const bits = this.ptes.bits[slot]!;
    if (!pteMapsNormalPage(bits)) return -1;
    return this.table.head(this.ptes.value[slot]!);
  }
}
export const MlockToken = createToken<Mlock>('Mlock');

/** May the area be locked at all? One that may not is passed by (vma_supports_mlock). */
export function supportsMlock(flags: number): boolean {
  return (flags & (VM_SPECIAL | VM_HUGETLB | VM_DROPPABLE)) === 0;
}
