import { ENOMEM } from '../abi/errno.js';
import { VM_LOCKED } from '../abi/mman.js';
import { PG_lru, PG_mlocked, PG_unevictable } from '../abi/page-flags.js';
import { PTE_SPECIAL, pteMapsPage } from '../abi/pte.js';
import { VM_FAULT_ERROR } from '../abi/vm-fault.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type MmStruct, vmaAllows } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Memory, MemoryToken } from './memory.js';

/**
 * mlock and munlock (mm/mlock.c). Simplified: no limits, no mlock counts: the last munlock of a
 * page by any mapper unlocks it.
 */
@injectable()
export class Mlock {
  private readonly site = Sites.index('mlock.mlock_pte_range');
  private readonly mlocked = Vmstat.index('unevictable_pgs_mlocked');
  private readonly munlocked = Vmstat.index('unevictable_pgs_munlocked');
  private readonly rescued = Vmstat.index('unevictable_pgs_rescued');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MemoryToken) private readonly memory: Memory,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /** Locks and populates a range. @returns 0, or -ENOMEM for a hole or what cannot be populated */
  mlock(mm: MmStruct, start: number, pages: number, nid: number): number {
    if (!mm.covers(start, start + pages)) return -ENOMEM;
    this.setFlag(mm, start, pages, VM_LOCKED);
    for (let vpn = start; vpn < start + pages; vpn++) {
      if (!this.populate(mm, vpn, nid)) return -ENOMEM;
    }
    this.folios.lruAddDrainAll();
    this.ptes.walk(mm.id, start, start + pages, (slot) => this.lockEntry(slot));
    return 0;
  }

  munlock(mm: MmStruct, start: number, pages: number): number {
    if (!mm.covers(start, start + pages)) return -ENOMEM;
    this.setFlag(mm, start, pages, 0);
    this.folios.lruAddDrainAll();
    this.ptes.walk(mm.id, start, start + pages, (slot) => this.unlockEntry(slot));
    return 0;
  }

  private populate(mm: MmStruct, vpn: number, nid: number): boolean {
    for (let attempt = 0; attempt < 4; attempt++) {
      const slot = this.ptes.slot(mm.id, vpn);
      if (pteMapsPage(this.ptes.bits[slot]!)) return true;
      const vma = mm.find(vpn);
      if (vma === null) return false;
      const result = this.memory.handleMmFault(mm, vpn, vmaAllows(vma, true), nid);
      if ((result & VM_FAULT_ERROR) !== 0) return false;
    }
    return true;
  }

  /** Managed folios are passed by; the call succeeds all the same (patch 06). */
  private lockEntry(slot: number): void {
    const folio = this.folioAt(slot);
    if (folio < 0 || this.managed.folio_is_private_managed(this.site, folio)) return;
    if (this.table.has(folio, PG_mlocked) || this.table.order[folio]! > 0) return;
    this.vmstat.add(this.mlocked, 1);
    const listed = this.table.has(folio, PG_lru);
    if (listed) this.lru.remove(folio);
    this.table.set(folio, PG_mlocked);
    if (!listed) return;
    this.table.set(folio, PG_unevictable);
    this.lru.add(folio);
  }

  private unlockEntry(slot: number): void {
    const folio = this.folioAt(slot);
    if (folio < 0 || !this.table.has(folio, PG_mlocked)) return;
    this.vmstat.add(this.munlocked, 1);
    const listed = this.table.has(folio, PG_lru);
    if (listed) this.lru.remove(folio);
    this.table.clear(folio, PG_mlocked | PG_unevictable);
    if (!listed) return;
    this.vmstat.add(this.rescued, 1);
    this.lru.add(folio);
  }

  private folioAt(slot: number): number {
    const bits = this.ptes.bits[slot]!;
    if (!pteMapsPage(bits) || (bits & PTE_SPECIAL) !== 0) return -1;
    return this.table.head(this.ptes.value[slot]!);
  }

  private setFlag(mm: MmStruct, start: number, pages: number, flag: number): void {
    for (const part of mm.within(start, start + pages)) {
      mm.replace(part.start, part.end, [{ ...part, flags: (part.flags & ~VM_LOCKED) | flag }]);
    }
  }
}
export const MlockToken = createToken<Mlock>('Mlock');
