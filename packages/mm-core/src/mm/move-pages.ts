import { EACCES, EBUSY, EFAULT, ENODEV, ENOENT } from '../abi/errno.js';
import { __GFP_RECLAIM, __GFP_THISNODE, GFP_HIGHUSER_MOVABLE, GFP_TRANSHUGE } from '../abi/gfp.js';
import { MIGRATE_SYNC, MR_SYSCALL } from '../abi/migrate.js';
import { N_MEMORY, N_MEMORY_PRIVATE } from '../abi/node-states.js';
import { PTE_SPECIAL, pteMapsPage } from '../abi/pte.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import type { Nodemask } from '../mem/nodemask.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct } from '../mem/vma.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Migrate, MigrateToken } from './migrate.js';
import { type PageAlloc, PageAllocToken } from './page-alloc.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';

/** What move_pages came to. */
export interface MoveResult {
  /** 0, pages not moved, or -errno. */
  readonly rc: number;
  /** Node or -errno by page; null where the kernel wrote nothing. */
  readonly status: readonly (number | null)[];
}

/** The arrays of a call; what lies outside of one cannot be read or written. */
export interface MoveArrays {
  /** Entries to look at. */
  readonly count: number;
  /** Virtual page of an entry; undefined where the pointer is bad. */
  readonly vpnAt: (at: number) => number | undefined;
  /** Target of an entry; undefined where the pointer is bad. */
  readonly nidAt: (at: number) => number | undefined;
  /** Writes the status of entries from `start` up to `end`. @returns 0 or -EFAULT */
  readonly store: (start: number, end: number, status: number) => number;
}

/** Who may move what. */
export interface MoveRights {
  /** Nodes that the cpuset of the target allows; null = any. */
  readonly allowed: Nodemask | null;
  /** Pages that nobody else maps, or all (MPOL_MF_MOVE_ALL). */
  readonly shared: 'stay' | 'move';
}

/** Not a status: the page waits in the run. */
const QUEUED = -10_000;

/** Entries that go to one node together; -1: none yet. */
interface Run {
  nid: number;
  start: number;
  readonly list: number[];
}

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
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
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

  /** Moves pages of one address space to one node (MPOL_MF_MOVE). */
  move(mm: MmStruct, vpns: readonly number[], nid: number): MoveResult {
    const status: (number | null)[] = vpns.map(() => null);
    const arrays: MoveArrays = {
      count: vpns.length,
      vpnAt: (at) => vpns[at],
      nidAt: () => nid,
      store: (start, end, value) => {
        status.fill(value, start, end);
        return 0;
      },
    };
    return { rc: this.moveEach(mm, arrays, { allowed: null, shared: 'stay' }), status };
  }

  /**
   * Moves each page to its node. Consecutive pages for one node that can be queued form a run; a
   * run that does not move whole ends the call.
   * @returns 0; pages not moved, those of the run and all after it; or -errno
   */
  moveEach(mm: MmStruct, arrays: MoveArrays, rights: MoveRights): number {
    return this.folios.withoutBatches(() => this.moveRuns(mm, arrays, rights));
  }

  private moveRuns(mm: MmStruct, arrays: MoveArrays, rights: MoveRights): number {
    const run: Run = { nid: -1, start: 0, list: [] };
    for (let at = 0; at < arrays.count; at++) {
      const vpn = arrays.vpnAt(at);
      const nid = vpn === undefined ? -EFAULT : this.targetOf(arrays.nidAt(at), rights);
      if (vpn === undefined || nid < 0) return this.giveUp(run, at, arrays, nid);
      if (run.nid !== nid) {
        const rc = this.flush(run, at, arrays);
        if (rc !== 0) return rc;
        run.nid = nid;
        run.start = at;
      }
      const queued = this.queue(mm, vpn, nid, run.list, rights);
      if (queued === QUEUED) continue;
      const stored = arrays.store(at, at + 1, queued);
      if (stored < 0) return this.giveUp(run, at, arrays, stored);
      const rc = this.flush(run, at, arrays);
      if (rc !== 0) return rc > 0 ? rc - 1 : rc;
      run.nid = -1;
    }
    return this.flush(run, arrays.count, arrays);
  }

  /** Migrates the run, statuses included, before the call ends with the error. */
  private giveUp(run: Run, at: number, arrays: MoveArrays, errno: number): number {
    this.flush(run, at, arrays);
    return errno;
  }

  /**
   * Migrates the run's entries, those up to `at`; statuses are written only if all of them moved
   * (move_pages_and_store_status).
   */
  private flush(run: Run, at: number, arrays: MoveArrays): number {
    if (run.list.length === 0) return 0;
    const rc = this.migrateFoliosToNode(run.list, run.nid);
    for (const folio of run.list.splice(0)) this.folios.putbackLru(folio);
    if (rc !== 0) return rc > 0 ? rc + arrays.count - at : rc;
    return arrays.store(run.start, at, run.nid);
  }

  /** Private targets through their owner, others with ordinary pages of exactly that node. */
  migrateFoliosToNode(list: number[], nid: number): number {
    if (this.managed.node_takes_by_callback(this.nodeSite, nid)) {
      return this.managed.node_private_migrate_to(list, nid, MIGRATE_SYNC, MR_SYSCALL);
    }
    const result = this.migrate.migratePages(list, {
      mode: MIGRATE_SYNC,
      reason: MR_SYSCALL,
      newFolio: (src) => {
        const order = this.table.order[src]!;
        const gfp = (order > 0 ? LARGE_GFP : SMALL_GFP) | this.managed.gfp_for_node(nid);
        return this.pageAlloc.alloc({ gfp, order, nid, nodemask: null });
      },
    });
    return result.rc;
  }

  /** The node of an entry if it may be one, else -errno. */
  private targetOf(nid: number | undefined, { allowed }: MoveRights): number {
    if (nid === undefined) return -EFAULT;
    if (!this.nodes.exists(nid)) return -ENODEV;
    const isPrivate = this.managed.node_is_private(this.moveSite, nid);
    if (!this.nodes.hasState(nid, isPrivate ? N_MEMORY_PRIVATE : N_MEMORY)) return -ENODEV;
    if (isPrivate && !this.managed.node_may_be_target(nid)) return -ENODEV;
    return (allowed?.has(nid) ?? true) ? nid : -EACCES;
  }

  /** Isolates the page's folio for the move, or says why not (__add_folio_for_migration). */
  private queue(
    mm: MmStruct,
    vpn: number,
    nid: number,
    list: number[],
    { shared }: MoveRights,
  ): number {
    if (mm.find(vpn) === null) return -EFAULT;
    const folio = this.folioAt(mm, vpn);
    if (folio < 0) return folio;
    if (!this.managed.folio_managed_allows_user_migrate(this.addSite, folio)) return -ENOENT;
    if (this.nodes.nidOf(folio) === nid) return nid;
    if (shared === 'stay' && this.rmapWalk.maybeMappedShared(folio)) return -EACCES;
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

const SMALL_GFP = GFP_HIGHUSER_MOVABLE | __GFP_THISNODE;
/** As alloc_migration_target makes it of the above. */
const LARGE_GFP = (SMALL_GFP & ~__GFP_RECLAIM) | GFP_TRANSHUGE;
