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
  type ZoneAlloc,
  ZoneAllocToken,
} from '@mm-lab/mm-core';
import { GFP_PRIVATE, type NodePrivate, NodePrivateToken } from '@mm-lab/node-private';
import { CramConfig } from './mends.js';
import { CRAM_PRESSURE_MAX, type CramNode } from './node.js';

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
  ) {}

  /**
   * Moves isolated folios to the node. Afterwards every CPU's LRU batch is drained, so that a store
   * can isolate a folio at once.
   * @returns 0, folios not moved, or -ENOSPC under full pressure
   */
  migrateTo(node: CramNode, list: number[], { nid, mode, reason }: EntryRequest): number {
    if (node.pressure >= CRAM_PRESSURE_MAX) {
      node.refused++;
      return -ENOSPC;
    }
    const refused = this.takeRefused(list);
    const result = this.migrate.migratePages(list, {
      mode,
      reason,
      newFolio: (src) => this.newFolio(nid, this.table.order[src] ?? 0),
      putFolio: (dst) => this.putUnused(dst),
    });
    list.push(...refused);
    node.refusedFiles += refused.length;
    if (result.succeeded > 0) {
      this.migrate.afterCompletion(() => this.folios.lruAddDrainAll());
    }
    return result.rc < 0 ? result.rc : result.rc + refused.length;
  }

  /** Takes out of the list what may not come in. */
  private takeRefused(list: number[]): number[] {
    if (this.config.fileEntry === 'v4') return [];
    const isAnon = (folio: number): boolean => ((this.table.flags[folio] ?? 0) & PG_anon) !== 0;
    const refused = list.filter((folio) => !isAnon(folio));
    if (refused.length > 0) list.splice(0, list.length, ...list.filter(isAnon));
    return refused;
  }

  /** Nothing more once migration was blocked in the middle of a batch. */
  private newFolio(nid: number, order: number): number {
    if (this.nodePrivate.ownerOfNode(nid)?.migrationBlocked ?? true) return -1;
    const capped = this.config.entryCap === 'v4' ? CRAM_GFP : CRAM_GFP | __GFP_NOMEMALLOC;
    const gfp = order > 0 ? capped | __GFP_COMP : capped;
    return this.zoneAlloc.alloc({ gfp, order, nid, nodemask: null });
  }

  private putUnused(dst: number): void {
    const pages = this.table.nrPages(dst);
    for (let at = 0; at < pages; at++) this.contents.zero(dst + at);
    this.folios.put(dst);
  }
}
export const CramEntryToken = createToken<CramEntry>('CramEntry');
