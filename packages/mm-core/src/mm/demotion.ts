import { ENOMEM } from '../abi/errno.js';
import {
  __GFP_DIRECT_RECLAIM,
  __GFP_NOMEMALLOC,
  __GFP_THISNODE,
  GFP_HIGHUSER_MOVABLE,
  GFP_NOWAIT,
} from '../abi/gfp.js';
import { MIGRATE_ASYNC, MR_DEMOTION } from '../abi/migrate.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { Prng } from '../base/prng.js';
import { PrngToken } from '../base/prng-token.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import type { MemCgroup } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type CgroupTree, CgroupTreeToken } from './cgroup.js';
import { type MemoryTiers, MemoryTiersToken } from './memory-tiers.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { MAX_RECLAIM_RETRIES } from './scan-control.js';
import { Sysctl } from './sysctl.js';
import { type ZoneAlloc, ZoneAllocToken } from './zone-alloc.js';

/** Demotion instead of reclaim (mm/vmscan.c:can_demote, demote_folio_list; RFC v4 patch 14). */
@injectable()
export class Demotion {
  private readonly nextSite = Sites.index('vmscan.next_demotion_node');
  private readonly canSite = Sites.index('vmscan.can_demote');
  private readonly listSite = Sites.index('vmscan.demote_folio_list');
  private readonly waitSite = Sites.index('vmscan.demote_folio_list_wait');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(MemoryTiersToken) private readonly tiers: MemoryTiers,
    @inject(CgroupTreeToken) private readonly cgroups: CgroupTree,
    @inject(PrngToken) private readonly prng: Prng,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
    @inject(Sysctl) private readonly sysctl: Sysctl,
  ) {}

  /**
   * May folios of the node go down instead of out? Up to 6.18 only a preferred target will do.
   * @param memcg the group whose cpuset has a say; null = nobody has
   */
  canDemote(nid: number, memcg: MemCgroup | null = null): boolean {
    if (!this.sysctl.demotion_enabled) return false;
    const target = this.nextDemotionNode(nid, this.allowedFor(nid, memcg));
    if (target < 0) return false;
    if (this.sysctl.osrelease === '6.18' && !this.tiers.preferredOf(nid).includes(target)) {
      return false;
    }
    return !this.managed.node_private_migration_blocked(this.canSite, target);
  }

  /**
   * Moves isolated folios of `nid` down. Starting at the preferred target, private targets get the
   * list through `migrate_to` until one takes something; the first ordinary target gets the rest by
   * ordinary migration. So what a full target does not take lands below older pages, unless
   * `demotionOrdered` says otherwise.
   * @returns base pages moved; the others stay in the list
   */
  demoteFolioList(list: number[], nid: number, memcg: MemCgroup | null = null): number {
    const allowed = this.allowedFor(nid, memcg);
    const first = this.nextDemotionNode(nid, allowed);
    if (list.length === 0 || first < 0) return 0;
    const tried = new Set<number>();
    let target = first;
    let moved = 0;
    while (target >= 0 && this.managed.node_takes_by_callback(this.listSite, target)) {
      const before = this.pagesOf(list);
      const rc = this.managed.node_private_migrate_to(list, target, MIGRATE_ASYNC, MR_DEMOTION);
      moved += this.note(nid, target, before - this.pagesOf(list));
      if (rc === 0 || list.length === 0 || this.waitsFor(target, rc)) return moved;
      tried.add(target);
      target = this.tiers.nearestOf(nid, without(allowed, tried));
    }
    if (target < 0) return moved;
    const before = this.pagesOf(list);
    this.demoteToOrdinary(list, target, without(allowed, tried));
    return moved + this.note(nid, target, before - this.pagesOf(list));
  }

  /**
   * A target that holds pages and has no room for more is not passed by while its kswapd runs and
   * is not hopeless; it is woken. What is below would get younger pages than it has.
   * @param rc of `migrate_to`; a target that refuses is passed by
   */
  private waitsFor(target: number, rc: number): boolean {
    const isFull = rc > 0 || rc === -ENOMEM;
    const pgdat = this.nodes.pgdat(target);
    const { running, failures } = pgdat.kswapd;
    const isEmptied = running && failures < MAX_RECLAIM_RETRIES;
    const isHolding = pgdat.unusedPages() < pgdat.managedPages();
    if (
      !isFull ||
      !isEmptied ||
      !isHolding ||
      !this.managed.demotion_waits_for(this.waitSite, target)
    )
      return false;
    this.zoneAlloc.wakeupKswapd(target, 0);
    return true;
  }

  /** Lower nodes that the group's cpuset allows (mem_cgroup_node_filter_allowed). */
  private allowedFor(nid: number, memcg: MemCgroup | null): ReadonlySet<number> {
    const all = this.tiers.lowerTierMask(nid);
    const lower = this.managed.demotion_targets(this.nextSite, all);
    if (memcg === null || memcg.parent === null) return lower;
    const mems = this.cgroups.memsOf(memcg.group);
    return mems === null ? lower : new Set([...lower].filter((other) => mems.has(other)));
  }

  /** A preferred target that is allowed, else the nearest that is (next_demotion_node). */
  private nextDemotionNode(nid: number, allowed: ReadonlySet<number>): number {
    const preferred = this.tiers.preferredOf(nid).filter((other) => allowed.has(other));
    const [only = -1] = preferred;
    if (preferred.length > 1) return preferred[this.prng.below(preferred.length)] ?? only;
    return preferred.length === 1 ? only : this.tiers.nearestOf(nid, allowed);
  }

  /**
   * THISNODE on the target first, then any allowed lower node; never reclaims (alloc_demote_folio).
   */
  private demoteToOrdinary(list: number[], target: number, mask: ReadonlySet<number>): void {
    const base = (GFP_HIGHUSER_MOVABLE & ~__GFP_DIRECT_RECLAIM) | GFP_NOWAIT | __GFP_NOMEMALLOC;
    const gfp = base | this.managed.gfp_for_node(target);
    this.migrate.migratePages(list, {
      mode: MIGRATE_ASYNC,
      reason: MR_DEMOTION,
      newFolio: (src) => {
        const order = this.table.order[src]!;
        const here = { gfp: gfp | __GFP_THISNODE, order, nid: target, nodemask: null };
        const pfn = this.zoneAlloc.alloc(here);
        return pfn >= 0 ? pfn : this.zoneAlloc.alloc({ gfp, order, nid: target, nodemask: mask });
      },
    });
  }

  private note(from: number, to: number, pages: number): number {
    const tp = this.tracepoints.mm_vmscan_demote;
    if (tp.enabled && pages > 0) tp.emit(from, to, pages);
    return pages;
  }

  private pagesOf(list: readonly number[]): number {
    return list.reduce((sum, folio) => sum + this.table.nrPages(folio), 0);
  }
}
export const DemotionToken = createToken<Demotion>('Demotion');

function without(all: ReadonlySet<number>, some: ReadonlySet<number>): Set<number> {
  return new Set([...all].filter((nid) => !some.has(nid)));
}
