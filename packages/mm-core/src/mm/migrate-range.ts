import {
  __GFP_HIGHMEM,
  __GFP_MOVABLE,
  __GFP_RECLAIM,
  __GFP_RETRY_MAYFAIL,
  GFP_KERNEL,
  GFP_TRANSHUGE,
} from '../abi/gfp.js';
import { MIGRATE_SYNC, MR_MEMORY_HOTPLUG } from '../abi/migrate.js';
import { N_MEMORY } from '../abi/node-states.js';
import { PG_buddy, PG_hwpoison, PG_isolated, PG_lru, PG_tail } from '../abi/page-flags.js';
import { ZONE_MOVABLE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { GRANT_HOTUNPLUG } from '../hooks/grants.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type Warnings, WarningsToken } from '../hooks/warnings.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { PfnRange } from '../mem/page-isolation.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type PageAlloc, PageAllocToken } from './page-alloc.js';

/**
 * Moves what may move out of a range (mm/memory_hotplug.c:do_migrate_range): to other nodes,
 * nearest to the one that it leaves, whatever the policies of its owners. Nobody is killed for it.
 */
@injectable()
export class MigrateRange {
  private readonly rangeSite = Sites.index('memory_hotplug.do_migrate_range');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(WarningsToken) private readonly warnings: Warnings,
  ) {}

  /** One pass; a folio whose owner forbids it is skipped, with one warning. */
  run(nid: number, range: PfnRange): void {
    const list: number[] = [];
    for (let pfn = range.base; pfn < range.base + range.pages; pfn++) {
      if (!this.table.has(pfn, PG_lru) || this.table.has(pfn, NOT_MOVABLE)) continue;
      if (!this.managed.folio_managed_allows(this.rangeSite, pfn, GRANT_HOTUNPLUG)) {
        this.warnings.warnOnce('do_migrate_range');
        continue;
      }
      if (this.folios.isolateLru(pfn)) list.push(pfn);
    }
    const nodemask = this.targets(nid);
    if (nodemask.size > 0) {
      this.migrate.migratePages(list, {
        mode: MIGRATE_SYNC,
        reason: MR_MEMORY_HOTPLUG,
        newFolio: (src) => this.allocTarget(src, nid, nodemask),
      });
    }
    for (const folio of list) this.folios.putbackLru(folio);
  }

  /** Every other node with memory; the own one if it is alone. */
  private targets(nid: number): ReadonlySet<number> {
    const nodes = this.nodes.inState(N_MEMORY);
    const others = nodes.filter((other) => other !== nid);
    return new Set(others.length > 0 ? others : nodes);
  }

  /** alloc_migration_target: movable memory may go to movable memory. */
  private allocTarget(src: number, nid: number, nodemask: ReadonlySet<number>): number {
    const order = this.table.order[src]!;
    const small = GFP_KERNEL | __GFP_MOVABLE | __GFP_RETRY_MAYFAIL;
    const base = order > 0 ? (small & ~__GFP_RECLAIM) | GFP_TRANSHUGE : small;
    const high = this.nodes.zoneOf(src).type === ZONE_MOVABLE ? __GFP_HIGHMEM : 0;
    return this.pageAlloc.alloc({ gfp: base | high, order, nid, nodemask });
  }
}
export const MigrateRangeToken = createToken<MigrateRange>('MigrateRange');

const NOT_MOVABLE = PG_buddy | PG_tail | PG_isolated | PG_hwpoison;
