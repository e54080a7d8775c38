import { EBUSY, ENXIO } from '../abi/errno.js';
import { __GFP_RETRY_MAYFAIL, GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { MIGRATE_SYNC, MR_MEMORY_FAILURE } from '../abi/migrate.js';
import { PG_hwpoison } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Folios, FoliosToken } from './folio.js';
import { type MemoryFailure, MemoryFailureToken } from './memory-failure.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type PageAlloc, PageAllocToken } from './page-alloc.js';

/**
 * Takes a page out of use before it fails (mm/memory-failure.c:soft_offline_page): its contents
 * move, nobody is signalled. Simplified: a large folio is refused instead of split.
 */
@injectable()
export class SoftOffline {
  private readonly site = Sites.index('memory-failure.soft_offline_in_use_page');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(MemoryFailureToken) private readonly memoryFailure: MemoryFailure,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /**
   * @returns 0 (also if it is poisoned already); -ENXIO no such page; -EBUSY pinned, not on the
   *   LRU, or its owner does not let it migrate; -ENOMEM nowhere to go
   */
  softOfflinePage(pfn: number): number {
    if (!this.nodes.isValid(pfn)) return -ENXIO;
    if (this.table.has(pfn, PG_hwpoison)) return 0;
    const folio = this.table.head(pfn);
    if (this.table.refcount[folio] === 0) return this.memoryFailure.takeFree(pfn);
    if (this.table.order[folio]! > 0) return -EBUSY;
    const rc = this.moveAway(folio);
    return rc < 0 ? rc : this.memoryFailure.takeFree(pfn);
  }

  private moveAway(folio: number): number {
    if (!this.managed.folio_managed_allows_migrate(this.site, folio)) return -EBUSY;
    this.folios.lruAddDrainAll();
    if (!this.folios.isolateLru(folio)) return -EBUSY;
    const list = [folio];
    const gfp = GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL;
    const nid = this.nodes.nidOf(folio);
    const { rc } = this.migrate.migratePages(list, {
      mode: MIGRATE_SYNC,
      reason: MR_MEMORY_FAILURE,
      newFolio: () => this.pageAlloc.alloc({ gfp, order: 0, nid, nodemask: null }),
    });
    for (const left of list) this.folios.putbackLru(left);
    return rc > 0 ? -EBUSY : rc;
  }
}
export const SoftOfflineToken = createToken<SoftOffline>('SoftOffline');
