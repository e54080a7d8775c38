import {
  __GFP_COMP,
  __GFP_HIGHMEM,
  __GFP_KSWAPD_RECLAIM,
  __GFP_MOVABLE,
  __GFP_NOMEMALLOC,
  __GFP_NORETRY,
  __GFP_NOWARN,
  type Contents,
  ContentsToken,
  createToken,
  ENODEV,
  ENOSPC,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
  type Migrate,
  MigrateToken,
  PG_anon,
  PG_hugetlb,
  type ZoneAlloc,
  ZoneAllocToken,
} from '@mm-lab/mm-core';
import { GFP_PRIVATE, type NodePrivate, NodePrivateToken } from '@mm-lab/node-private';
import { CramConfig } from './mends.js';
import { type CramNode, isClosed } from './node.js';
import {
  type AdmissionFilter,
  AdmissionFilterToken,
  type CameIn,
} from './policy/admission-filter.js';
import { type WritablePages, WritablePagesToken } from './policy/writable-pages.js';

/** Where and why folios come in. */
export interface EntryRequest {
  readonly nid: number;
  /** MIGRATE_*. */
  readonly mode: number;
  /** MR_*. */
  readonly reason: number;
}

/** CRAM's allocations: this private node only, no direct reclaim, no retry. */
const CRAM_GFP =
  GFP_PRIVATE | __GFP_KSWAPD_RECLAIM | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_NOWARN | __GFP_NORETRY;

/** The way in (mm/cram.c:cram_migrate_to). */
@injectable()
export class CramEntry {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(NodePrivateToken) private readonly nodePrivate: NodePrivate,
    @inject(CramConfig) private readonly config: CramConfig,
    @inject(AdmissionFilterToken) private readonly admission: AdmissionFilter,
    @inject(WritablePagesToken) private readonly writable: WritablePages,
  ) {}

  /**
   * Moves isolated folios to the node. Afterwards every CPU's LRU batch is drained, so that a store
   * can isolate a folio at once.
   * @returns 0, folios not moved, -ENOSPC while the node is closed, or -ENODEV
   *   while it is being torn down
   */
  migrateTo(node: CramNode, list: number[], { nid, mode, reason }: EntryRequest): number {
    if (node.purged) return -ENODEV;
    if (isClosed(node)) {
      node.refused++;
      return -ENOSPC;
    }
    const refused = this.takeRefused(node, list);
    const arriving = new Set<number>();
    const result = this.migrate.migratePages(list, {
      mode,
      reason,
      newFolio: (src) => {
        const dst = this.newFolio(nid, this.table.order[src] ?? 0);
        if (dst >= 0) arriving.add(dst);
        return dst;
      },
      putFolio: (dst) => {
        arriving.delete(dst);
        this.putUnused(dst);
      },
    });
    list.push(...refused);
    if (result.succeeded > 0) this.migrate.afterCompletion(() => this.arrived(nid, arriving));
    return result.rc < 0 ? result.rc : result.rc + refused.length;
  }

  /** Takes out of the list what may not come in. */
  private takeRefused(node: CramNode, list: number[]): number[] {
    const refused: number[] = [];
    const taken = list.filter((folio) => {
      const mayEnter = this.mayEnter(node, folio);
      if (!mayEnter) refused.push(folio);
      return mayEnter;
    });
    if (refused.length > 0) list.splice(0, list.length, ...taken);
    return refused;
  }

  /**
   * A page of the hugetlb pool may not: the posted allocation function would give it a destination
   * that is none of the pool, and no fault of hugetlb looks at the fence. What the real series does
   * with one was not tried.
   */
  private mayEnter(node: CramNode, folio: number): boolean {
    if (this.table.has(folio, PG_hugetlb)) return false;
    if (this.config.fileEntry === 'mended' && !this.table.has(folio, PG_anon)) {
      node.refusedFiles++;
      return false;
    }
    const admitted = this.admission.admits(folio, node.nid);
    if (!admitted) node.notAdmitted++;
    return admitted;
  }

  private arrived(nid: number, arriving: ReadonlySet<number>): void {
    this.folios.lruAddDrainAll();
    const { cameIn } = this.admission;
    if (cameIn === undefined) return;
    const here: CameIn[] = [];
    for (const folio of arriving) {
      if ((this.table.refcount[folio] ?? 0) > 0) here.push({ folio, nid });
    }
    cameIn.call(this.admission, here);
  }

  /**
   * A folio of the node with one reference, or -1; none once migration was blocked, be it in the
   * middle of a batch.
   */
  newFolio(nid: number, order: number): number {
    if (this.nodePrivate.ownerOfNode(nid)?.migrationBlocked ?? true) return -1;
    const capped = this.config.entryCap === 'v4' ? CRAM_GFP : CRAM_GFP | __GFP_NOMEMALLOC;
    const gfp = order > 0 ? capped | __GFP_COMP : capped;
    const dst = this.zoneAlloc.alloc({ gfp, order, nid, nodemask: null });
    if (dst >= 0) this.forgetAll(nid, dst, 1 << order);
    return dst;
  }

  /** A folio comes to frames that others may have left unseen. */
  private forgetAll(nid: number, folio: number, pages: number): void {
    for (let at = 0; at < pages; at++) this.writable.forget(nid, folio + at);
  }

  private putUnused(dst: number): void {
    const pages = this.table.nrPages(dst);
    for (let at = 0; at < pages; at++) this.contents.zero(dst + at);
    this.folios.put(dst);
  }
}
export const CramEntryToken = createToken<CramEntry>('CramEntry');
