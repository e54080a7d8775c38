import { EINVAL, ENOMEM, ENOSPC } from '../abi/errno.js';
import { __GFP_HIGHMEM, __GFP_KSWAPD_RECLAIM, __GFP_NOWARN } from '../abi/gfp.js';
import { PAGE_SIZE } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { CostModel } from './cost-model.js';
import { type Folios, FoliosToken } from './folio.js';
import { SHRINK_STOP, type Shrinkers, ShrinkersToken } from './shrinker.js';
import { type Work, WorkToken } from './work.js';
import { type ZoneAlloc, ZoneAllocToken } from './zone-alloc.js';
import { hugeClassSize, type SizeClass, sizeClasses, ZsClass, type Zspage } from './zs-class.js';

/** Bytes in front of each object. */
const ZS_HANDLE_SIZE = 8;
const GFP = __GFP_KSWAPD_RECLAIM | __GFP_HIGHMEM | __GFP_NOWARN;

/**
 * Makes pools of compressed objects (mm/zsmalloc.c:zs_create_pool). Simplified: the pages of a pool
 * cannot be moved, so they are not taken from movable memory.
 */
@injectable()
export class Zsmalloc {
  constructor(
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ShrinkersToken) private readonly shrinkers: Shrinkers,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /** A pool whose pages `verify` knows of, and whose holes reclaim may close (zs_shrinker_scan). */
  createPool(name: string): ZsPool {
    const pool = new ZsPool(
      (nid) => this.takePage(nid),
      (pfn) => this.folios.put(pfn),
    );
    this.folios.addHolder(() => pool.frames());
    this.shrinkers.register({
      name: `mm-zspool:${name}`,
      countObjects: () => pool.compactable(),
      scanObjects: () => {
        const pages = pool.compact();
        this.work.charge(pages * this.cost.ns.copyPage);
        return pages > 0 ? pages : SHRINK_STOP;
      },
    });
    return pool;
  }

  /** Who swaps out may use the reserves. */
  private takePage(nid: number): number {
    this.work.enterMemalloc();
    const pfn = this.zoneAlloc.alloc({ gfp: GFP, order: 0, nid, nodemask: null });
    this.work.leaveMemalloc();
    return pfn;
  }
}
export const ZsmallocToken = createToken<Zsmalloc>('Zsmalloc');

/**
 * Objects of 1 to 4096 bytes, packed into groups of pages by size class (struct zs_pool). An object
 * is named by a handle: a whole number above 0.
 *
 * Invariant: each zspage with an object stands in one list of its class, by how full it is; one
 * without is gone.
 */
export class ZsPool {
  /** Objects of at least so many bytes get a page of their own (zs_huge_class_size). */
  readonly hugeClassSize: number;
  /** Pages that the pool holds (zs_get_total_pages). */
  pages = 0;
  private readonly classes: readonly ZsClass[];
  private readonly bySize: readonly ZsClass[];
  private readonly homes: (Zspage | null)[] = [null];
  private readonly freeHandles: number[] = [];

  constructor(
    private readonly takePage: (nid: number) => number,
    private readonly givePage: (pfn: number) => void,
  ) {
    const made = new Map<SizeClass, ZsClass>();
    this.bySize = sizeClasses().map((size) => {
      const own = made.get(size) ?? new ZsClass(size);
      made.set(size, own);
      return own;
    });
    this.classes = [...made.values()];
    this.hugeClassSize = hugeClassSize(ZS_HANDLE_SIZE);
  }

  /** zs_malloc. @param nid node to take pages from first. @returns a handle, or -errno */
  malloc(bytes: number, nid: number): number {
    if (bytes <= 0) return -EINVAL;
    if (bytes > PAGE_SIZE) return -ENOSPC;
    const own = ZsClass.of(this.bySize, bytes + ZS_HANDLE_SIZE);
    const zspage = own.fullestWithRoom() ?? this.grow(own, nid);
    if (zspage === null) return -ENOMEM;
    const handle = this.freeHandles.pop() ?? this.homes.push(null) - 1;
    this.homes[handle] = zspage;
    own.add(zspage, handle);
    return handle;
  }

  /** zs_free. */
  free(handle: number): void {
    const zspage = this.homes[handle] ?? null;
    assert(zspage !== null, 'an object of a pool is freed once');
    this.homes[handle] = null;
    this.freeHandles.push(handle);
    zspage.class.remove(zspage, handle);
    if (zspage.objects.size === 0) this.release(zspage);
  }

  /** Pages that packing the objects anew would free (zs_can_compact of every class). */
  compactable(): number {
    return this.classes.reduce((sum, own) => sum + own.compactable(), 0);
  }

  /** Moves objects from the emptiest zspages to the fullest (zs_compact). @returns pages freed */
  compact(): number {
    const before = this.pages;
    for (const own of this.classes) {
      while (own.compactable() > 0) {
        const target = own.fullestWithRoom();
        const source = target && own.emptiest(target);
        if (target === null || source === null) break;
        this.moveObjects(own, source, target);
      }
    }
    return before - this.pages;
  }

  /** Every page of the pool, for `verify`. */
  *frames(): IterableIterator<number> {
    for (const own of this.classes) for (const { pages } of own.zspages()) yield* pages;
  }

  /** Objects in use, and what the lists and counts must agree on. */
  verify(): number {
    let objects = 0;
    let pages = 0;
    for (const own of this.classes) {
      objects += own.verify();
      for (const zspage of own.zspages()) pages += zspage.pages.length;
    }
    const named = this.homes.filter((home) => home !== null).length;
    assert(pages === this.pages, `the pool has ${this.pages} pages, ${pages} recounted`);
    assert(objects === named, `the pool has ${objects} objects, ${named} handles name one`);
    return objects;
  }

  /** alloc_zspage. */
  private grow(own: ZsClass, nid: number): Zspage | null {
    const pages: number[] = [];
    while (pages.length < own.size.pagesPerZspage) {
      const pfn = this.takePage(nid);
      if (pfn < 0) {
        for (const taken of pages) this.givePage(taken);
        return null;
      }
      pages.push(pfn);
    }
    this.pages += pages.length;
    return own.insert(pages);
  }

  private moveObjects(own: ZsClass, source: Zspage, target: Zspage): void {
    for (const handle of [...source.objects]) {
      if (target.objects.size === own.size.objectsPerZspage) return;
      own.remove(source, handle);
      own.add(target, handle);
      this.homes[handle] = target;
    }
    if (source.objects.size === 0) this.release(source);
  }

  private release(zspage: Zspage): void {
    zspage.class.drop(zspage);
    this.pages -= zspage.pages.length;
    for (const pfn of zspage.pages) this.givePage(pfn);
  }
}
