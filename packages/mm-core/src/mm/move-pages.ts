import { EACCES, EBUSY, EFAULT, ENODEV, ENOENT, ENOMEM } from '../abi/errno.js';
import { __GFP_THISNODE, GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { MIGRATE_SYNC, MR_SYSCALL } from '../abi/migrate.js';
import { N_MEMORY, N_MEMORY_PRIVATE } from '../abi/node-states.js';
import { PTE_SPECIAL, pteMapsPage } from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct } from '../mem/vma.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type PageAlloc, PageAllocToken } from './page-alloc.js';

/** Status per page: node, -errno, or null where the kernel wrote nothing. */
type Status = (number | null)[];

/** What move_pages came to. */
export interface MoveResult {
  /** 0, pages not moved, or -errno. */
  readonly rc: number;
  /** Node or -errno by page; null where the kernel wrote nothing. */
  readonly status: readonly (number | null)[];
}

/** Not a status: the page waits in the run. */
const QUEUED = -10_000;

/**
 * move_pages(2) by its kernel parts (mm/migrate.c:do_pages_move, do_pages_stat; RFC v4 patch 12).
 */
@injectable()
export class MovePages {
  private readonly addSite = Sites.index('migrate.__add_folio_for_migration');
  private readonly moveSite = Sites.index('migrate.do_pages_move');
  private readonly statSite = Sites.index('migrate.do_pages_stat_array');
  private readonly nodeSite = Sites.index('migrate.migrate_folios_to_node');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /** Node of each page, or -errno (move_pages with nodes NULL). */
  stat(mm: MmStruct, vpns: readonly number[]): number[] {
    return vpns.map((vpn) => {
      if (mm.find(vpn) === null) return -EFAULT;
      const folio = this.folioAt(mm, vpn);
      if (folio < 0) return folio;
      return this.managed.folio_managed_allows_user_migrate(this.statSite, folio)
        ? this.nodes.nidOf(folio)
        : -ENOENT;
    });
  }

  /**
   * Moves pages of one address space to one node (MPOL_MF_MOVE). Consecutive pages that can be
   * queued form a run; a run that does not move whole ends the call.
   * @returns status per page, null where the kernel leaves it unwritten, and `rc` as the system
   *   call: 0, pages not moved (those of the run and all after it), or -errno
   */
  move(mm: MmStruct, vpns: readonly number[], nid: number): MoveResult {
    const status: (number | null)[] = vpns.map(() => null);
    if (!this.mayTarget(nid)) return { rc: -ENODEV, status };
    this.folios.lruAddDrainAll();
    const run: { list: number[]; at: number[] } = { list: [], at: [] };
    for (let at = 0; at < vpns.length; at++) {
      const queued = this.queue(mm, vpns[at]!, nid, run.list);
      if (queued === QUEUED) {
        run.at.push(at);
        continue;
      }
      status[at] = queued;
      const rc = this.flush(run, nid, status);
      if (rc !== 0) return { rc: rc > 0 ? rc + vpns.length - at - 1 : rc, status };
    }
    return { rc: this.flush(run, nid, status), status };
  }

  /** Migrates a run; its statuses are written only if all of it moved. */
  private flush(run: { list: number[]; at: number[] }, nid: number, status: Status): number {
    if (run.list.length === 0) return 0;
    const rc = this.migrateFoliosToNode(run.list, nid);
    if (rc === 0) for (const at of run.at) status[at] = nid;
    for (const folio of run.list.splice(0)) this.folios.putbackLru(folio);
    run.at.splice(0);
    return rc;
  }

  /** Private targets through their owner, others with ordinary pages of exactly that node. */
  migrateFoliosToNode(list: number[], nid: number): number {
    if (this.managed.node_is_private(this.nodeSite, nid)) {
      return this.managed.node_private_migrate_to(list, nid, MIGRATE_SYNC, MR_SYSCALL);
    }
    const gfp = GFP_HIGHUSER_MOVABLE | __GFP_THISNODE;
    const result = this.migrate.migratePages(list, {
      mode: MIGRATE_SYNC,
      reason: MR_SYSCALL,
      newFolio: (src) =>
        this.pageAlloc.alloc({ gfp, order: this.table.order[src]!, nid, nodemask: null }),
    });
    return result.rc === -ENOMEM ? -ENOMEM : result.rc;
  }

  private mayTarget(nid: number): boolean {
    if (!this.nodes.exists(nid)) return false;
    const isPrivate = this.managed.node_is_private(this.moveSite, nid);
    return this.nodes.hasState(nid, isPrivate ? N_MEMORY_PRIVATE : N_MEMORY);
  }

  /** Isolates the page's folio for the move, or says why not (__add_folio_for_migration). */
  private queue(mm: MmStruct, vpn: number, nid: number, list: number[]): number {
    if (mm.find(vpn) === null) return -EFAULT;
    const folio = this.folioAt(mm, vpn);
    if (folio < 0) return folio;
    if (!this.managed.folio_managed_allows_migrate(this.addSite, folio)) return -ENOENT;
    if (this.nodes.nidOf(folio) === nid) return nid;
    if (this.table.folioMapcount(folio) > this.table.nrPages(folio)) return -EACCES;
    if (!this.folios.isolateLru(folio)) return -EBUSY;
    list.push(folio);
    return QUEUED;
  }

  private folioAt(mm: MmStruct, vpn: number): number {
    const slot = this.ptes.find(mm.id, vpn);
    const bits = slot < 0 ? 0 : this.ptes.bits[slot]!;
    if (!pteMapsPage(bits)) return -ENOENT;
    if ((bits & PTE_SPECIAL) !== 0) return -EFAULT;
    return this.table.head(this.ptes.value[slot]!);
  }
}
export const MovePagesToken = createToken<MovePages>('MovePages');
