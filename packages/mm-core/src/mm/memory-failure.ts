import { EBUSY, EHWPOISON, ENXIO } from '../abi/errno.js';
import { PG_dirty, PG_hwpoison, PG_isolated, PG_pinned, PG_swapcache } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { takePageOff } from '../mem/buddy.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Folios, FoliosToken } from './folio.js';
import { type HugeMemory, HugeMemoryToken } from './huge-memory.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import { type Swap, SwapToken } from './swap.js';

/**
 * Poisoned pages (mm/memory-failure.c). The frame keeps a reference for ever, so it never returns
 * to the buddy allocator; its mappings become hwpoison entries and the next access raises SIGBUS.
 */
@injectable()
export class MemoryFailure {
  private readonly site = Sites.index('memory-failure.memory_failure');
  /** Frames taken out of use (HardwareCorrupted), in pages. */
  readonly poisoned = new Set<number>();

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(HugeMemoryToken) private readonly huge: HugeMemory,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
  ) {}

  /**
   * @returns 0 handled; -EHWPOISON already poisoned; -EBUSY kernel or pinned page; -ENXIO no such
   * page
   */
  memoryFailure(pfn: number, flags: number): number {
    if (!this.nodes.isValid(pfn)) return -ENXIO;
    if (this.table.has(pfn, PG_hwpoison)) return -EHWPOISON;
    this.table.set(pfn, PG_hwpoison);
    this.managed.folio_managed_memory_failure(this.site, this.table.head(pfn), pfn, flags);
    const tp = this.tracepoints.mm_memory_failure;
    if (tp.enabled) tp.emit(pfn, flags);
    const rc = this.handle(pfn);
    if (rc < 0) this.table.clear(pfn, PG_hwpoison);
    else this.poisoned.add(pfn);
    return rc;
  }

  /**
   * A clean page of the swap cache leaves it, so that others read their slot again
   * (me_swapcache_clean); a dirty one stays, for them to find the poison (me_swapcache_dirty).
   */
  private handle(pfn: number): number {
    if (this.table.refcount[this.table.head(pfn)] === 0) return this.takeFree(pfn);
    if (this.table.has(pfn, PG_pinned)) return -EBUSY;
    this.folios.lruAddDrainAll();
    const folio = this.table.head(pfn);
    if (!this.folios.isolateLru(folio)) return -EBUSY;
    if (this.table.order[folio]! > 0 && !this.split(folio, pfn)) return -EBUSY;
    this.rmapWalk.unmapPoisoned(pfn);
    const slotIsGood = this.table.has(pfn, PG_swapcache) && !this.table.has(pfn, PG_dirty);
    if (slotIsGood) this.swap.deleteFromCache(pfn);
    return 0;
  }

  /**
   * Keeps a free page away from the allocator for good (page_handle_poison); it stands as isolated,
   * with the one reference that poison holds.
   * @returns 0, or -EBUSY if it is not on the free lists
   */
  takeFree(pfn: number): number {
    if (!takePageOff(this.table, this.nodes.zoneOf(pfn), pfn)) return -EBUSY;
    this.table.refcount[pfn] = 1;
    this.table.set(pfn, PG_hwpoison | PG_isolated);
    this.poisoned.add(pfn);
    return 0;
  }

  /** Splits an isolated large folio and keeps only the poisoned page of it isolated. */
  private split(folio: number, poisoned: number): boolean {
    const fresh = this.huge.splitFolio(folio);
    for (const part of [folio, ...(fresh ?? [])]) {
      if (fresh === null || part !== poisoned) this.folios.putbackLru(part);
    }
    return fresh !== null;
  }
}
export const MemoryFailureToken = createToken<MemoryFailure>('MemoryFailure');
