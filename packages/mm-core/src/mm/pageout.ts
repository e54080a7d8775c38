import {
  PG_anon,
  PG_anon_exclusive,
  PG_dirty,
  PG_partially_mapped,
  PG_pinned,
  PG_swapbacked,
  PG_swapcache,
} from '../abi/page-flags.js';
import { PTE_DIRTY, pteMapsPage } from '../abi/pte.js';
import { PMD_ORDER } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken, VERSION_ZERO } from '../mem/folio-table.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { type Rmap, RmapToken } from '../mem/rmap.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type DeferredSplit, DeferredSplitToken } from './deferred-split.js';
import { type Folios, FoliosToken } from './folio.js';
import { type HugeMemory, HugeMemoryToken } from './huge-memory.js';
import { type Lazyfree, LazyfreeToken } from './lazyfree.js';
import { type PageCache, PageCacheToken } from './page-cache.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import type { ScanControl } from './scan-control.js';
import { type Swap, SwapToken } from './swap.js';
import { type Workingset, WorkingsetToken } from './workingset.js';

/** What became of a folio; 'split': its pages are looked at one by one now. */
export type PageoutResult = 'free' | 'written' | 'keep' | 'activate' | 'split';

/**
 * Gets an isolated, unused folio out of memory: by its swap slot, its file, or because nobody needs
 * what it holds (the second half of mm/vmscan.c:shrink_folio_list). Afterwards the isolation's is
 * the only reference. Simplified: every swap device is done when the call returns.
 */
@injectable()
export class Pageout {
  private readonly swpoutFallback = Vmstat.index('thp_swpout_fallback');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(RmapToken) private readonly rmap: Rmap,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(PageCacheToken) private readonly cache: PageCache,
    @inject(LazyfreeToken) private readonly lazyfree: Lazyfree,
    @inject(DeferredSplitToken) private readonly deferred: DeferredSplit,
    @inject(HugeMemoryToken) private readonly huge: HugeMemory,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(WorkingsetToken) private readonly workingset: Workingset,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /** @param queue gets the pages of a folio that is split */
  out(folio: number, sc: ScanControl, queue: number[]): PageoutResult {
    if (this.cache.has(folio)) return this.filePage(folio, sc, queue);
    if (this.table.has(folio, PG_anon) && !this.table.has(folio, PG_swapbacked)) {
      return this.lazyfree.drop(folio) ? 'free' : 'activate';
    }
    if (this.table.order[folio]! > 0) return this.large(folio, sc, queue);
    return this.swapOut(folio, sc);
  }

  /**
   * A page goes if it is clean: a file can be read again, and a hole of shared memory reads as
   * zeroes again. Other pages of shared memory are written to swap.
   */
  private filePage(folio: number, sc: ScanControl, queue: number[]): PageoutResult {
    this.noteDirty(folio);
    if (!this.rmapWalk.tryToUnmap(folio) || this.table.has(folio, PG_pinned)) return 'activate';
    if (this.table.refcount[folio] !== 1 + this.cache.references(folio)) return 'activate';
    const isShmem = this.table.has(folio, PG_swapbacked);
    if (isShmem && this.table.order[folio]! > 0) return this.largeShmem(folio, sc, queue);
    const isClean = !this.table.has(folio, PG_dirty);
    if (isShmem && !(isClean && this.table.version[folio] === VERSION_ZERO)) {
      return this.shmemWriteout(folio, sc);
    }
    if (!isClean) return 'activate';
    const target = sc.targetMemcg ?? null;
    this.cache.remove(folio, isShmem ? 0 : this.workingset.eviction(folio, target));
    return 'free';
  }

  private noteDirty(folio: number): void {
    for (let pfn = folio; pfn < folio + this.table.nrPages(folio); pfn++) {
      for (const slot of this.rmap.slots(pfn)) {
        const bits = this.ptes.bits[slot]!;
        if (pteMapsPage(bits) && (bits & PTE_DIRTY) !== 0) this.table.set(folio, PG_dirty);
      }
    }
  }

  /** A large folio of a file goes whole if it lies inside of it and there is room, else split. */
  private largeShmem(folio: number, sc: ScanControl, queue: number[]): PageoutResult {
    const place = this.cache.placeOf(folio);
    if (place === null || !sc.maySwap) return 'keep';
    if (this.swap.total() === 0) return 'activate';
    const { file, index } = place;
    const order = this.table.order[folio]!;
    const isInside = index + (1 << order) <= file.sizePages;
    const slots = isInside ? this.swap.writeLarge(folio) : null;
    if (slots === null) {
      const fresh = this.huge.splitFolio(folio);
      if (fresh === null) return 'activate';
      if (order === PMD_ORDER) this.vmstat.add(this.swpoutFallback, 1);
      queue.push(...[folio, ...fresh].reverse());
      return 'split';
    }
    this.cache.remove(folio);
    for (const [at, slot] of slots.entries()) {
      file.swapped.set(index + at, slot);
      this.swap.duplicate(slot);
    }
    file.swappedLarge.set(index, order);
    return 'written';
  }

  /** shmem_writeout: the file names the swap slot instead of the page. */
  private shmemWriteout(folio: number, sc: ScanControl): PageoutResult {
    const place = this.cache.placeOf(folio);
    if (place === null || !sc.maySwap) return 'keep';
    if (this.swap.allocSlot(folio) < 0) return 'activate';
    if (this.swap.writeout(folio) < 0) {
      this.swap.deleteFromCache(folio);
      return 'activate';
    }
    const slot = this.swap.slotOf(folio);
    this.cache.remove(folio);
    place.file.swapped.set(place.index, slot);
    this.swap.duplicate(slot);
    this.swap.deleteFromCache(folio, this.workingset.eviction(folio, sc.targetMemcg ?? null));
    return 'written';
  }

  private swapOut(folio: number, sc: ScanControl): PageoutResult {
    if (this.table.folioMapcount(folio) === 0 && !this.table.has(folio, PG_swapcache)) {
      return this.table.refcount[folio] === 1 ? 'free' : 'keep';
    }
    if (!this.table.has(folio, PG_swapcache)) {
      if (!sc.maySwap) return 'keep';
      if (this.swap.allocSlot(folio) < 0) return 'activate';
    }
    if (this.isHeld(folio)) return 'keep';
    if (!this.rmapWalk.tryToUnmap(folio)) return 'activate';
    assert(this.table.refcount[folio] === 2, `folio ${folio} of the swap cache is only isolated`);
    const isDirty = this.table.has(folio, PG_dirty);
    if (isDirty && this.swap.giveToFront(folio) >= 0) return 'written';
    if (isDirty && this.swap.writeout(folio) < 0) return 'activate';
    this.swap.deleteFromCache(folio, this.workingset.eviction(folio, sc.targetMemcg ?? null));
    return isDirty ? 'written' : 'free';
  }

  /**
   * Has a folio of the swap cache a reference beside it, its mappings and the isolation?
   * Simplified: the kernel unmaps it all the same, keeps it (is_page_cache_freeable), and faults
   * map it again. Here every fault that copies it would find it unmapped by its own reclaim, for
   * ever: no other CPU ever ends that.
   */
  private isHeld(folio: number): boolean {
    return this.table.refcount[folio] !== this.table.folioMapcount(folio) + 2;
  }

  /** A large folio goes whole if there is room for it, else page by page. */
  private large(folio: number, sc: ScanControl, queue: number[]): PageoutResult {
    const pages = this.table.nrPages(folio);
    const mapped = this.table.folioMapcount(folio);
    if (this.table.refcount[folio] !== mapped + 1) return 'activate';
    if (!sc.maySwap) return 'keep';
    const isPartly = this.table.has(folio, PG_partially_mapped) || this.hasUnmapped(folio);
    const whole = mapped === pages && !isPartly;
    const isPmd = this.table.order[folio] === PMD_ORDER;
    if (whole) {
      const slots = this.swap.writeLarge(folio);
      if (slots !== null) {
        this.rmapWalk.splitPmds(folio);
        const shadow = this.workingset.eviction(folio, sc.targetMemcg ?? null);
        this.deferred.begin();
        for (const [at, slot] of slots.entries()) {
          this.swap.leaveShadow(slot, shadow);
          this.rmapWalk.unmapToSwap(folio + at, slot);
          this.table.clear(folio + at, PG_anon_exclusive);
        }
        this.deferred.end();
        return 'written';
      }
    }
    const fresh = this.huge.splitFolio(folio);
    if (fresh === null) return 'activate';
    if (whole && isPmd) this.event(folio, this.swpoutFallback);
    queue.push(...this.mappedOf([folio, ...fresh]).reverse());
    return 'split';
  }

  /** Pages of a split folio; those that nobody maps go at once and count for nobody. */
  private mappedOf(pages: readonly number[]): number[] {
    const isMapped = (pfn: number): boolean => this.table.mapcount[pfn]! > 0;
    for (const pfn of pages) if (!isMapped(pfn)) this.folios.dropIsolated(pfn);
    return pages.filter(isMapped);
  }

  private event(folio: number, index: number): void {
    this.vmstat.add(index, 1);
    this.memcgs.countFolio(folio, index, 1);
  }

  /** A page that a fork's mappings make up for in the sum would leave its slot to nobody. */
  private hasUnmapped(folio: number): boolean {
    const end = folio + this.table.nrPages(folio);
    for (let pfn = folio; pfn < end; pfn++) if (this.table.mapcount[pfn] === 0) return true;
    return false;
  }
}
export const PageoutToken = createToken<Pageout>('Pageout');
