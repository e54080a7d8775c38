import { EFAULT, ENOMEM } from '../abi/errno.js';
import { __GFP_RETRY_MAYFAIL, GFP_USER } from '../abi/gfp.js';
import { MIGRATE_SYNC, MR_LONGTERM_PIN } from '../abi/migrate.js';
import { PG_pinned } from '../abi/page-flags.js';
import { PTE_SPECIAL, PTE_WRITE, pteMapsPage } from '../abi/pte.js';
import { VM_FAULT_ERROR, VM_FAULT_OOM } from '../abi/vm-fault.js';
import { ZONE_MOVABLE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct } from '../mem/vma.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Memory, MemoryToken } from './memory.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type PageAlloc, PageAllocToken } from './page-alloc.js';

const ATTEMPTS_MAX = 8;

/**
 * Long-term pins (mm/gup.c, FOLL_PIN | FOLL_LONGTERM | FOLL_WRITE). Simplified: a flag instead of a
 * count; writers only.
 */
@injectable()
export class Gup {
  private readonly site = Sites.index('mm.folio_is_longterm_pinnable');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MemoryToken) private readonly memory: Memory,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /**
   * Pins one page for writing. @returns its pfn, -EFAULT, or -ENOMEM if it cannot leave an
   * unpinnable place
   */
  pinLongterm(mm: MmStruct, vpn: number, nid: number): number {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const pfn = this.faultIn(mm, vpn, nid);
      if (pfn < 0) return pfn;
      const folio = this.table.head(pfn);
      if (this.isPinnable(folio)) {
        if (!this.table.has(folio, PG_pinned)) {
          this.folios.get(folio);
          this.table.set(folio, PG_pinned);
        }
        return pfn;
      }
      if (!this.moveAway(folio)) return -ENOMEM;
    }
    return -ENOMEM;
  }

  /** Drops the pin (unpin_user_page). */
  unpin(pfn: number): void {
    const folio = this.table.head(pfn);
    if (!this.table.has(folio, PG_pinned)) return;
    this.table.clear(folio, PG_pinned);
    this.folios.put(folio);
  }

  private faultIn(mm: MmStruct, vpn: number, nid: number): number {
    for (let attempt = 0; attempt < ATTEMPTS_MAX; attempt++) {
      const slot = this.ptes.find(mm.id, vpn);
      const bits = slot < 0 ? 0 : this.ptes.bits[slot]!;
      const writable = (bits & PTE_WRITE) !== 0 && (bits & PTE_SPECIAL) === 0;
      if (pteMapsPage(bits) && writable) return this.ptes.value[slot]!;
      const result = this.memory.handleMmFault(mm, vpn, true, nid);
      if ((result & VM_FAULT_OOM) !== 0) return -ENOMEM;
      if ((result & VM_FAULT_ERROR) !== 0) return -EFAULT;
    }
    return -EFAULT;
  }

  /**
   * For a private node the flag decides alone; elsewhere ZONE_MOVABLE is not pinnable (patch 20).
   */
  private isPinnable(folio: number): boolean {
    const byOwner = this.managed.folio_managed_allows_longterm_pin(this.site, folio);
    if (byOwner !== null) return byOwner;
    return this.nodes.zoneOf(folio).type !== ZONE_MOVABLE;
  }

  /**
   * Migrates to a pinnable page: same node preferred, not movable
   * (migrate_longterm_unpinnable_folios).
   */
  private moveAway(folio: number): boolean {
    this.folios.lruAddDrainAll();
    if (!this.folios.isolateLru(folio)) return false;
    const list = [folio];
    const nid = this.nodes.nidOf(folio);
    const order = this.table.order[folio]!;
    this.migrate.migratePages(list, {
      mode: MIGRATE_SYNC,
      reason: MR_LONGTERM_PIN,
      newFolio: () =>
        this.pageAlloc.alloc({ gfp: GFP_USER | __GFP_RETRY_MAYFAIL, order, nid, nodemask: null }),
    });
    for (const left of list) this.folios.putbackLru(left);
    return list.length === 0;
  }
}
export const GupToken = createToken<Gup>('Gup');
