import {
  __GFP_COMP,
  __GFP_HIGHMEM,
  __GFP_MOVABLE,
  __GFP_NOWARN,
  __GFP_RETRY_MAYFAIL,
  type Contents,
  ContentsToken,
  CostModel,
  EFAULT,
  EINVAL,
  ENODEV,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  GFP_HIGHUSER_MOVABLE,
  inject,
  injectable,
  type MemoryDevice,
  MIGRATE_SYNC,
  type Migrate,
  MigrateToken,
  type MmStruct,
  MR_SYSCALL,
  N_MEMORY,
  type Nodes,
  NodesToken,
  type PageAlloc,
  PageAllocToken,
  PG_tail,
  type Ptes,
  PtesToken,
  type RmapWalk,
  RmapWalkToken,
  type Work,
  WorkToken,
  type ZoneAlloc,
  ZoneAllocToken,
} from '@mm-lab/mm-core';
import {
  GFP_PRIVATE,
  type NodePrivate,
  NodePrivateToken,
  NP_OPS_MIGRATION,
  type PrivateHotplug,
  PrivateHotplugToken,
} from '@mm-lab/node-private';
import { ColdFolios } from './cold-folios.js';
import { rangeFolios } from './range-folios.js';

/** What an explicit migration came to, in base pages. */
export interface MoveResult {
  /** 0, or -errno: -EINVAL empty range, -EFAULT not mapped, -ENODEV not plugged. */
  readonly rc: number;
  /** Pages that changed sides. */
  readonly moved: number;
  /** Pages of the range that should have and did not: pinned, locked, or no room. */
  readonly left: number;
}

/** What the driver has seen; base pages. */
export interface CoherentCounts {
  movedIn: number;
  movedOut: number;
  left: number;
  /** Moved out to make room for others. */
  evicted: number;
  /** Told by `folio_migrate`: pages that left, whoever moved them. */
  departed: number;
  /** Told by `free_folio`. */
  freed: number;
}

/** 'evict': pages of the device that nobody used lately make room. */
export type WhenFull = 'stay' | 'evict';

/** migrate_pages ends at the first folio that finds no room: the rest gets another try. */
const ROUNDS = 2;
/** Folios per migrate_pages call, as do_pages_move has it. */
const BATCH_FOLIOS = 512;

const DEVICE_GFP = GFP_PRIVATE | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_NOWARN;

/**
 * What a DEVICE_COHERENT driver needs, on a private node: memory that the CPU reads and writes in
 * place, filled and emptied only when its user says so. All of its memory management is here: the
 * pages are ordinary ones, so the buddy allocator hands them out, mappings, copy-on-write, fork and
 * migration are the kernel's, and the one flag it opts in to is NP_OPS_MIGRATION. With ZONE_DEVICE
 * the same driver has a free list, an allocator and the three calls of migrate_vma in addition.
 */
@injectable()
export class CoherentDriver {
  readonly counts: CoherentCounts = {
    ...{ movedIn: 0, movedOut: 0, left: 0, evicted: 0, departed: 0, freed: 0 },
  };
  /** What pages do that find the device full. */
  whenFull: WhenFull = 'stay';
  private readonly cold: ColdFolios;
  private nid = -1;
  /** Fails the next destination on the device or off it, for tests; answers once. */
  failNext: () => boolean = () => false;

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(NodePrivateToken) private readonly nodePrivate: NodePrivate,
    @inject(PrivateHotplugToken) private readonly hotplug: PrivateHotplug,
    @inject(RmapWalkToken) rmapWalk: RmapWalk,
    @inject(WorkToken) work: Work,
    @inject(CostModel) cost: CostModel,
  ) {
    this.cold = new ColdFolios({ table, rmapWalk, work, cost });
  }

  /**
   * Plugs the node and opts in.
   * @returns 0 or -errno of the step that failed; then nothing stays claimed
   */
  probe(nid: number, device: MemoryDevice | null): number {
    const np = { name: 'device-coherent' };
    const added = this.hotplug.add_private_memory_driver_managed(nid, np, device);
    if (added < 0) return added;
    const rc = this.nodePrivate.node_private_set_ops(nid, {
      flags: NP_OPS_MIGRATION,
      free_folio: (folio) => this.freeFolio(folio),
      migrate_to: (list, target, mode, reason) => this.migrateTo(list, target, mode, reason),
      folio_migrate: (src) => {
        this.counts.departed += this.table.nrPages(src);
      },
    });
    if (rc < 0) this.hotplug.offline_and_remove_private_memory(nid);
    else this.nid = nid;
    return rc;
  }

  /** Evacuates and unplugs. @returns 0, or -EBUSY if pages stay: the driver goes on */
  remove(): number {
    if (this.nid < 0) return 0;
    const rc = this.hotplug.offline_and_remove_private_memory(this.nid);
    if (rc === 0) this.nid = -1;
    return rc;
  }

  /**
   * The user's ioctl: moves what [start, start + pages) maps to the device. Shared folios move too,
   * which migrate_vma can't do for files. Simplified: holes stay holes; a folio that sticks out of
   * the range moves whole.
   */
  migrateToDevice(mm: MmStruct, start: number, pages: number): MoveResult {
    const rc = this.checkRange(mm, start, pages);
    if (rc < 0) return { rc, moved: 0, left: 0 };
    const result = this.move(mm, start, pages, 'in');
    this.counts.movedIn += result.moved;
    return result;
  }

  /** The way back: to the nearest system memory of `nid`, the user's CPU. */
  migrateToSystem(mm: MmStruct, start: number, pages: number, nid = this.anyNode()): MoveResult {
    const rc = this.checkRange(mm, start, pages);
    if (rc < 0) return { rc, moved: 0, left: 0 };
    const result = this.move(mm, start, pages, 'out', nid);
    this.counts.movedOut += result.moved;
    return result;
  }

  /** Is the page on the device? */
  has(pfn: number): boolean {
    return this.nid >= 0 && this.nodes.nidOf(pfn) === this.nid;
  }

  /**
   * Makes room: every page of the node that can move goes to system memory. @returns base pages
   * that moved
   */
  evict(nid = this.anyNode()): number {
    if (this.nid < 0) return 0;
    this.folios.lruAddDrainAll();
    const { base, spannedPages } = this.nodes.pgdat(this.nid);
    const list: number[] = [];
    for (let pfn = base; pfn < base + spannedPages; pfn++) {
      if (this.table.head(pfn) === pfn && this.folios.isolateLru(pfn)) list.push(pfn);
    }
    return this.sendOut(list, nid);
  }

  /**
   * Makes room under pressure: pages of the node that nobody used lately go to system memory.
   * @param fresh folios that just came @returns base pages that moved
   */
  evictCold(pages: number, nid = this.anyNode(), fresh: ReadonlySet<number> = new Set()): number {
    if (this.nid < 0) return 0;
    this.folios.lruAddDrainAll();
    const found = this.cold.find(this.nodes.pgdat(this.nid), pages, fresh);
    const list = found.filter((folio) => this.folios.isolateLru(folio));
    const evicted = this.sendOut(list, nid);
    this.counts.evicted += evicted;
    return evicted;
  }

  /** Isolated folios leave; what can't is put back on its list. @returns base pages that left */
  private sendOut(list: number[], nid: number): number {
    const before = this.pagesOf(list);
    this.migrateOut(list, nid);
    for (const folio of list) this.folios.putbackLru(folio);
    return before - this.pagesOf(list);
  }

  private checkRange(mm: MmStruct, start: number, pages: number): number {
    if (this.nid < 0) return -ENODEV;
    if (!(pages > 0) || start < 0) return -EINVAL;
    return mm.covers(start, start + pages) ? 0 : -EFAULT;
  }

  /** Isolates what is on the wrong side and moves it, in batches. */
  private move(
    mm: MmStruct,
    start: number,
    pages: number,
    way: 'in' | 'out',
    nid = this.nid,
  ): MoveResult {
    this.folios.lruAddDrainAll();
    const memory = { table: this.table, ptes: this.ptes };
    const wanted = rangeFolios(memory, mm, start, start + pages).filter(
      (folio) => (this.nodes.nidOf(folio) === this.nid) === (way === 'out'),
    );
    const total = this.pagesOf(wanted);
    const fresh = new Set<number>();
    let moved = 0;
    for (let at = 0; at < wanted.length; at += BATCH_FOLIOS) {
      const batch = wanted.slice(at, at + BATCH_FOLIOS);
      const list = batch.filter((folio) => this.folios.isolateLru(folio));
      const before = this.pagesOf(list);
      for (let round = 0; round < ROUNDS && list.length > 0; round++) {
        if (way === 'out') this.migrateOut(list, nid);
        else this.migrateIn(list, fresh);
      }
      moved += before - this.pagesOf(list);
      for (const folio of list) this.folios.putbackLru(folio);
    }
    this.counts.left += total - moved;
    return { rc: 0, moved, left: total - moved };
  }

  /** In, with what has to go out for it. */
  private migrateIn(list: number[], fresh: Set<number>): void {
    const found = (folio: number): void => void fresh.add(folio);
    this.migrateTo(list, this.nid, MIGRATE_SYNC, MR_SYSCALL, found);
    if (this.whenFull === 'stay' || list.length === 0) return;
    if (this.evictCold(this.pagesOf(list), this.anyNode(), fresh) === 0) return;
    this.migrateTo(list, this.nid, MIGRATE_SYNC, MR_SYSCALL, found);
  }

  /** `migrate_to`: pages of exactly our node, which the buddy allocator has or has not. */
  private migrateTo(
    list: number[],
    nid: number,
    mode: number,
    reason: number,
    found: (folio: number) => void = () => undefined,
  ): number {
    const { rc } = this.migrate.migratePages(list, {
      mode,
      reason,
      newFolio: (src) => {
        if (this.failNext()) return -1;
        const order = this.table.order[src]!;
        const gfp = DEVICE_GFP | (order > 0 ? __GFP_COMP : 0);
        const folio = this.zoneAlloc.alloc({ gfp, order, nid, nodemask: null });
        if (folio >= 0) found(folio);
        return folio;
      },
    });
    return rc;
  }

  private migrateOut(list: number[], nid: number): void {
    this.migrate.migratePages(list, {
      mode: MIGRATE_SYNC,
      reason: MR_SYSCALL,
      newFolio: (src) => {
        if (this.failNext()) return -1;
        const order = this.table.order[src]!;
        const gfp = GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL | (order > 0 ? __GFP_COMP : 0);
        return this.pageAlloc.alloc({ gfp, order, nid, nodemask: null });
      },
    });
  }

  /** The device may forget what a freed folio held; the buddy allocator gets it as usual. */
  private freeFolio(folio: number): boolean {
    const pages = (this.table.flags[folio]! & PG_tail) === 0 ? this.table.nrPages(folio) : 1;
    for (let at = 0; at < pages; at++) this.contents.discard(folio + at);
    this.counts.freed += pages;
    return false;
  }

  private pagesOf(list: readonly number[]): number {
    return list.reduce((sum, folio) => sum + this.table.nrPages(folio), 0);
  }

  private anyNode(): number {
    return this.nodes.inState(N_MEMORY)[0] ?? 0;
  }
}
