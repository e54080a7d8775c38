import { EBUSY, EIO, ENOTRECOVERABLE, ENXIO, EOPNOTSUPP } from '../abi/errno.js';
import { __GFP_COMP, __GFP_RETRY_MAYFAIL, GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { MIGRATE_SYNC, MR_MEMORY_FAILURE } from '../abi/migrate.js';
import { PG_hugetlb, PG_hwpoison } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Folios, FoliosToken } from './folio.js';
import { type HugeMemory, HugeMemoryToken } from './huge-memory.js';
import { type Hugetlb, HugetlbToken } from './hugetlb.js';
import { type MemoryFailure, MemoryFailureToken } from './memory-failure.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type PageAlloc, PageAllocToken } from './page-alloc.js';
import { Sysctl } from './sysctl.js';

/**
 * Takes a page out of use before it fails (mm/memory-failure.c:soft_offline_page): its contents
 * move, nobody is signalled.
 */
@injectable()
export class SoftOffline {
  private readonly site = Sites.index('memory-failure.soft_offline_in_use_page');
  private readonly onlineSite = Sites.index('memory-failure.soft_offline_page');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(MemoryFailureToken) private readonly memoryFailure: MemoryFailure,
    @inject(HugeMemoryToken) private readonly huge: HugeMemory,
    @inject(HugetlbToken) private readonly hugetlb: Hugetlb,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /**
   * @returns 0 (also if it is poisoned already); -ENXIO no such page; -EIO not online;
   *   -EOPNOTSUPP switched off; -EBUSY pinned, not on the LRU, or its owner does not let it
   *   migrate; -ENOMEM nowhere to go
   */
  softOfflinePage(pfn: number): number {
    if (!this.nodes.isValid(pfn)) return -ENXIO;
    if (!this.managed.folio_may_be_lru(this.onlineSite, pfn)) return -EIO;
    if (!this.sysctl.enable_soft_offline) return -EOPNOTSUPP;
    if (this.table.has(pfn, PG_hwpoison)) return 0;
    const folio = this.table.head(pfn);
    if (this.table.refcount[folio] === 0) return this.memoryFailure.takeFree(pfn);
    const rc = this.moveAway(folio, pfn);
    if (rc === 0) this.hugetlb.dissolve(folio);
    return rc < 0 ? rc : this.memoryFailure.takeFree(pfn);
  }

  /** The same for the shared zero page, which belongs to the kernel (get_any_page). */
  softOfflineZeroPage(): number {
    if (!this.sysctl.enable_soft_offline) return -EOPNOTSUPP;
    return this.memoryFailure.zeroPagePoisoned ? 0 : -ENOTRECOVERABLE;
  }

  /** A large folio is split, and only the page that is to go moves. */
  private moveAway(whole: number, pfn: number): number {
    if (!this.managed.folio_managed_allows_migrate(this.site, whole)) return -EBUSY;
    this.folios.lruAddDrainAll();
    if (!this.folios.isolateLru(whole)) return -EBUSY;
    const inPool = this.table.has(whole, PG_hugetlb);
    const isSplit = inPool || this.table.order[whole] === 0 || this.split(whole, pfn);
    if (!isSplit) return -EBUSY;
    const folio = this.table.head(pfn);
    const list = [folio];
    const order = this.table.order[folio]!;
    const large = order > 0 ? __GFP_COMP : 0;
    const gfp = GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL | large;
    const nid = this.nodes.nidOf(folio);
    const nearest = new Set(this.nodes.pgdat(nid).fallback.map((zone) => zone.nid));
    const { rc } = this.migrate.migratePages(list, {
      mode: MIGRATE_SYNC,
      reason: MR_MEMORY_FAILURE,
      newFolio: () => {
        const spare = inPool ? this.hugetlb.takeSpare(nearest) : -1;
        return spare >= 0 ? spare : this.pageAlloc.alloc({ gfp, order, nid, nodemask: null });
      },
    });
    for (const left of list) this.folios.putbackLru(left);
    return rc > 0 ? -EBUSY : rc;
  }

  /** Splits an isolated folio; only `kept` stays isolated. */
  private split(folio: number, kept: number): boolean {
    const fresh = this.huge.splitFolio(folio);
    for (const part of [folio, ...(fresh ?? [])]) {
      if (fresh === null || part !== kept) this.folios.putbackLru(part);
    }
    return fresh !== null;
  }
}
export const SoftOfflineToken = createToken<SoftOffline>('SoftOffline');
