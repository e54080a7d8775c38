import { VM_LOCKED } from '../abi/mman.js';
import { PG_active, PG_lru, PG_mlocked, PG_unevictable } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import type { Vma } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';

/**
 * Folios that are locked in memory (mm/mlock.c:mlock_folio, munlock_folio, mlock_new_folio).
 * Simplified: no counts. A folio that one of several lockers gives up is rescued and locked again
 * when reclaim finds another locked mapper, as Linux says of its own lazy counts.
 */
@injectable()
export class MlockFolio {
  private readonly mlocked = Vmstat.index('unevictable_pgs_mlocked');
  private readonly munlocked = Vmstat.index('unevictable_pgs_munlocked');
  private readonly rescued = Vmstat.index('unevictable_pgs_rescued');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /** A page was just mapped into `vma`: locks it if the area is locked (folio_add_lru_vma). */
  mapped(folio: number, vma: Vma): void {
    if ((vma.flags & VM_LOCKED) !== 0) this.lock(folio);
  }

  lock(folio: number): void {
    if (this.table.has(folio, PG_mlocked)) return;
    this.vmstat.add(this.mlocked, this.table.nrPages(folio));
    const listed = this.table.has(folio, PG_lru);
    if (listed) this.lru.remove(folio);
    this.table.set(folio, PG_mlocked);
    if (!listed) return;
    this.table.clear(folio, PG_active);
    this.table.set(folio, PG_unevictable);
    this.lru.add(folio);
  }

  unlock(folio: number): void {
    if (!this.table.has(folio, PG_mlocked)) return;
    this.vmstat.add(this.munlocked, this.table.nrPages(folio));
    const listed = this.table.has(folio, PG_lru);
    if (listed) this.lru.remove(folio);
    this.table.clear(folio, PG_mlocked | PG_unevictable);
    if (!listed) return;
    this.vmstat.add(this.rescued, this.table.nrPages(folio));
    this.lru.add(folio);
  }
}
export const MlockFolioToken = createToken<MlockFolio>('MlockFolio');
