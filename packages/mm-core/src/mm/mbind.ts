import { EIO } from '../abi/errno.js';
import {
  __GFP_COMP,
  __GFP_RETRY_MAYFAIL,
  GFP_HIGHUSER_MOVABLE,
  GFP_TRANSHUGE,
} from '../abi/gfp.js';
import { MPOL_MF_MOVE, MPOL_MF_MOVE_ALL, MPOL_MF_STRICT } from '../abi/mempolicy.js';
import { MIGRATE_SYNC, MR_MEMPOLICY_MBIND } from '../abi/migrate.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import type { Nodemask } from '../mem/nodemask.js';
import { type Policy, samePolicy } from '../mem/policy.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import { type MmStruct, pageIndex, type Vma } from '../mem/vma.js';
import { type AllocMpol, AllocMpolToken } from './alloc-mpol.js';
import { type Folios, FoliosToken } from './folio.js';
import type { PolicyChoice } from './mempolicy.js';
import { type Migrate, MigrateToken } from './migrate.js';
import {
  type IndexedPolicy,
  interleaves,
  type PolicyNodes,
  PolicyNodesToken,
} from './policy-nodes.js';
import { type QueuePages, QueuePagesToken } from './queue-pages.js';
import { type VmaEdit, VmaEditToken } from './vma-edit.js';
import { type Work, WorkToken } from './work.js';

/** A policy for a range of virtual pages [start, end), and what becomes of the pages there. */
export interface MbindRequest {
  readonly start: number;
  readonly end: number;
  /** null: none, so that the task's counts again. */
  readonly policy: Policy | null;
  /** The mask as the user gave it: pages elsewhere are misplaced. */
  readonly nodes: Nodemask;
  /** MPOL_MF_*. */
  readonly flags: number;
}

/** Where a folio is mapped. */
interface FolioPlace {
  readonly vma: Vma;
  /** Virtual page of the folio's first page. */
  readonly vpn: number;
}

/** Policies of areas (mm/mempolicy.c:do_mbind behind its argument checks, mbind_range). */
@injectable()
export class Mbind {
  private readonly targetSite = Sites.index('mempolicy.alloc_migration_target_by_mpol');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(QueuePagesToken) private readonly queuePages: QueuePages,
    @inject(PolicyNodesToken) private readonly policyNodes: PolicyNodes,
    @inject(AllocMpolToken) private readonly allocMpol: AllocMpol,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(VmaEditToken) private readonly edit: VmaEdit,
    @inject(WorkToken) private readonly work: Work,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /**
   * Looks at the pages, installs the policy, then moves what was found elsewhere.
   * @returns 0; -EINVAL or -ENOMEM if an area could not be split;
   *   -EFAULT or -EIO with nothing changed; -EIO with the policy installed if pages that
   *   had to move did not
   */
  mbind(mm: MmStruct, request: MbindRequest): number {
    const moves = (request.flags & (MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)) !== 0;
    if (!moves) return this.doMbind(mm, request);
    return this.folios.withoutBatches(() => this.doMbind(mm, request));
  }

  private doMbind(mm: MmStruct, request: MbindRequest): number {
    const { start, end, policy, nodes, flags } = request;
    const list: number[] = [];
    const holes = policy === null ? 'allowed' : 'refused';
    const wanted = 'elsewhere';
    const queued = this.queuePages.range({ mm, start, end, nodes, wanted, flags, holes }, list);
    if (queued >= 0) {
      const refused = this.setPolicy(mm, start, end, policy);
      if (refused < 0) {
        this.putback(list);
        return queued > 0 && (flags & MPOL_MF_STRICT) !== 0 ? -EIO : refused;
      }
      const rc = list.length === 0 ? 0 : this.move(mm, policy, list);
      if ((queued > 0 || rc !== 0) && (flags & MPOL_MF_STRICT) !== 0) {
        this.putback(list);
        return -EIO;
      }
    }
    this.putback(list);
    return Math.min(queued, 0);
  }

  /**
   * Gives every area in the range the policy (mbind_range for each).
   * @returns 0, or why an area could not be split; those before it have the policy then
   */
  setPolicy(mm: MmStruct, start: number, end: number, policy: Policy | null): number {
    for (const part of mm.within(start, end)) {
      if (samePolicy(mm.find(part.start)?.policy ?? null, policy)) continue;
      const rc = this.edit.modify(mm, { ...part, policy });
      if (rc < 0) return rc;
      const area = mm.find(part.start) ?? part;
      const { file, pgoff } = area;
      if (file?.kind === 'shmem') file.policy.set(pgoff, pgoff + area.end - area.start, policy);
    }
    return 0;
  }

  private putback(list: readonly number[]): void {
    for (const folio of list) this.folios.putbackLru(folio);
  }

  /**
   * Moves folios by the new policy; without one by the running task's. What interleaves goes where
   * a fault would have put it in the area of the first folio; in others it counts on by file index
   * (alloc_migration_target_by_mpol).
   */
  private move(mm: MmStruct, set: Policy | null, list: number[]): number {
    const policy = set ?? this.work.current?.policy ?? null;
    const base = policy === null || !interleaves(policy) ? 0 : this.baseIndex(mm, list);
    const byEntry = this.managed.isolation.policy.moves === 'by entry';
    const left = byEntry ? this.moveByEntry(mm, policy, base, list) : [];
    const { rc } = this.migrate.migratePages(list, {
      mode: MIGRATE_SYNC,
      reason: MR_MEMPOLICY_MBIND,
      newFolio: (src) => {
        const order = this.table.order[src]!;
        const ilx = base + this.unitIndex(mm, src);
        const choice = this.choose({ policy, ilx });
        return this.allocMpol.allocPages(choice, order, order > 0 ? GFP_TRANSHUGE : SMALL_GFP);
      },
    });
    list.push(...left);
    return rc < 0 ? rc : rc + left.length;
  }

  private choose(indexed: IndexedPolicy): PolicyChoice {
    return this.policyNodes.askingChoice(indexed, this.work.cpuNid, this.targetSite);
  }

  /**
   * Folios that the policy means for a node whose owner takes them in go through its callback. RFC
   * v4 does not do so (`PolicyRules.moves`).
   * @returns folios that did not move; the list keeps those for other nodes
   */
  private moveByEntry(
    mm: MmStruct,
    policy: Policy | null,
    base: number,
    list: number[],
  ): readonly number[] {
    const byNode = new Map<number, number[]>();
    const others: number[] = [];
    for (const folio of list) {
      const { nid } = this.choose({ policy, ilx: base + this.unitIndex(mm, folio) });
      if (!this.managed.node_takes_by_callback(this.targetSite, nid)) others.push(folio);
      else byNode.set(nid, [...(byNode.get(nid) ?? []), folio]);
    }
    list.splice(0, list.length, ...others);
    const left: number[] = [];
    for (const [nid, folios] of byNode) {
      this.managed.node_private_migrate_to(folios, nid, MIGRATE_SYNC, MR_MEMPOLICY_MBIND);
      left.push(...folios);
    }
    return left;
  }

  /** What to add to a folio's own index to get its interleave index. */
  private baseIndex(mm: MmStruct, list: readonly number[]): number {
    const [first] = list;
    const place = first === undefined ? null : this.placeOf(mm, first);
    if (first === undefined || place === null) return 0;
    const order = this.table.order[first]!;
    const { ilx } = this.policyNodes.policyOf({ vma: place.vma, vpn: place.vpn, order });
    return ilx - this.unitIndex(mm, first);
  }

  /** folio->index in units of its size. */
  private unitIndex(mm: MmStruct, folio: number): number {
    const place = this.placeOf(mm, folio);
    if (place === null) return 0;
    return Math.floor(pageIndex(place.vma, place.vpn) / this.table.nrPages(folio));
  }

  private placeOf(mm: MmStruct, folio: number): FolioPlace | null {
    const end = folio + this.table.nrPages(folio);
    for (let pfn = folio; pfn < end; pfn++) {
      const slot = this.rmap.slots(pfn).find((at) => this.ptes.mmOf(at) === mm.id);
      if (slot === undefined) continue;
      const vpn = this.ptes.vpnOf(slot);
      const vma = mm.find(vpn);
      if (vma !== null) return { vma, vpn: vpn - (pfn - folio) };
    }
    return null;
  }
}
export const MbindToken = createToken<Mbind>('Mbind');

const SMALL_GFP = GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL | __GFP_COMP;
