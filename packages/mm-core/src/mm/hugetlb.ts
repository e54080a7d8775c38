import { __GFP_COMP, __GFP_NOWARN, __GFP_THISNODE, GFP_HIGHUSER_MOVABLE } from '../abi/gfp.js';
import { N_MEMORY } from '../abi/node-states.js';
import { PG_head, PG_hugetlb, PG_tail } from '../abi/page-flags.js';
import { MAX_NUMNODES, PMD_ORDER } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import type { Nodemask } from '../mem/nodemask.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Folios, FoliosToken } from './folio.js';
import { type ZoneAlloc, ZoneAllocToken } from './zone-alloc.js';

/** The pool's share of one node. */
interface NodePool {
  /** Free folios, the one that is taken next last; each has the pool's reference. */
  readonly free: number[];
  /** nr_huge_pages_node: free, in use, and temporary ones. */
  nr: number;
  /** surplus_huge_pages_node: they go when they are freed. */
  surplus: number;
}

/**
 * The pool of huge pages of 2 MiB (mm/hugetlb.c:struct hstate). Simplified: one size; a pool page
 * is taken from the buddy allocator without reclaim and compaction; references and mapcounts are
 * those of its 512 entries.
 *
 * A folio: buddy --grow, surplus, migration--> in the pool's books (PG_hugetlb), free or in use;
 * its last reference puts it on the free list, or gives it back to the buddy allocator if it was
 * temporary or its node has surplus.
 */
@injectable()
export class Hugetlb {
  private readonly site = Sites.index('hugetlb.dequeue_hugetlb_folio');
  private readonly pools: readonly NodePool[] = Array.from({ length: MAX_NUMNODES }, () => ({
    free: [],
    nr: 0,
    surplus: 0,
  }));
  /** Destinations of migrations that are not the pool's own until the source is freed. */
  private readonly temporary = new Set<number>();
  /** Whose turn it is to give a page (next_nid_to_alloc), and to take one back. */
  private nextToAlloc = 0;
  private nextToFree = 0;
  /** Persistent pages after the last change of the size, less those dissolved (max_huge_pages). */
  max = 0;
  /** Free pages that mappings were promised (resv_huge_pages). */
  reserved = 0;
  /** Surplus pages that may be made (nr_overcommit_huge_pages). */
  overcommit = 0;

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ZoneAllocToken) private readonly zoneAlloc: ZoneAlloc,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {
    folios.addHolder(() => this.pools.flatMap(({ free }) => free));
    folios.onFreeHugetlb = (folio) => this.freeFolio(folio);
  }

  /** Pages of the pool, of one node or of all. */
  total(nid?: number): number {
    return this.sum(nid, ({ nr }) => nr);
  }

  free(nid?: number): number {
    return this.sum(nid, (pool) => pool.free.length);
  }

  surplus(nid?: number): number {
    return this.sum(nid, (pool) => pool.surplus);
  }

  /** Pages that stay in the pool when they are freed (persistent_huge_pages). */
  persistent(nid?: number): number {
    return this.total(nid) - this.surplus(nid);
  }

  /** Free pages on nodes that may be used (allowed_mems_nr). */
  freeOn(allowed: Nodemask): number {
    return this.pools.reduce((sum, { free }, nid) => sum + (allowed.has(nid) ? free.length : 0), 0);
  }

  /**
   * Brings the pool to `count` persistent pages, as far as there is memory and pages are free
   * (set_max_huge_pages). @param nids nodes that pages may come from and go to
   */
  setMax(count: number, nids: readonly number[]): void {
    while (this.surplus() > 0 && count > this.persistent()) {
      if (!this.adjustSurplus(nids, -1)) break;
    }
    while (count > this.persistent() && this.grow(nids));
    const least = Math.max(count, this.reserved + this.persistent() - this.persistentFree());
    while (least < this.persistent() && this.shrink(nids));
    while (count < this.persistent()) {
      if (!this.adjustSurplus(nids, 1)) break;
    }
    this.max = this.persistent();
  }

  /**
   * Promises `pages` of the pool to a mapping, with surplus pages if need be (hugetlb_acct_memory).
   * @param allowed nodes that the caller may use
   * @param near the caller's node
   * @returns can it?
   */
  reserve(pages: number, allowed: Nodemask, near: number): boolean {
    if (!this.gatherSurplus(pages, allowed, near)) return false;
    if (pages <= this.freeOn(allowed)) return true;
    this.unreserve(pages);
    return false;
  }

  /**
   * What was promised and not used is not promised any more; as many surplus pages go as are free
   * (return_unused_surplus_pages).
   */
  unreserve(pages: number): void {
    this.reserved -= pages;
    const nids = this.nodes.inState(N_MEMORY);
    for (let left = Math.min(pages, this.surplus()); left > 0; left--) {
      if (!this.shrink(nids, 'surplus')) break;
    }
  }

  /** The promise; the pages that the pool lacks for it are made and stand free in it. */
  private gatherSurplus(pages: number, allowed: Nodemask, near: number): boolean {
    const nids = [...allowed].sort((a, b) => Number(b === near) - Number(a === near));
    const needed = this.reserved + pages - this.free();
    const made: number[] = [];
    while (made.length < needed) {
      const folio = this.makeSurplus(nids);
      if (folio < 0) break;
      made.push(folio);
    }
    if (made.length < needed) {
      for (const folio of made) this.folios.put(folio);
      return false;
    }
    this.reserved += pages;
    for (const folio of made) this.pool(this.nodes.nidOf(folio)).free.push(folio);
    return true;
  }

  /** A free page of the first node in `nids` that has one, with one reference; or -1. */
  dequeue(nids: Iterable<number>): number {
    for (const nid of nids) {
      if (!this.managed.numa_zone_alloc_allowed(this.site, nid, GFP_HIGHUSER_MOVABLE)) continue;
      const folio = this.pools[nid]?.free.pop();
      if (folio !== undefined) return folio;
    }
    return -1;
  }

  /** A page over the pool's size, if so many are allowed (alloc_surplus_hugetlb_folio); or -1. */
  makeSurplus(nids: Iterable<number>): number {
    if (this.surplus() >= this.overcommit) return -1;
    for (const nid of nids) {
      const folio = this.makeFresh(nid);
      if (folio < 0) continue;
      this.pool(nid).surplus += 1;
      return folio;
    }
    return -1;
  }

  /**
   * Makes a fresh folio the destination of a pool page's migration; others' are left as they are. A
   * page of the pool is used in its place if
   * the node has one to spare (alloc_hugetlb_folio_nodemask). @returns the destination
   */
  migrationTarget(src: number, fresh: number): number {
    if (fresh < 0 || !this.table.has(src, PG_hugetlb)) return fresh;
    if (this.table.has(fresh, PG_hugetlb)) return fresh;
    const nid = this.nodes.nidOf(fresh);
    if (this.pool(nid).free.length > 0 && this.free() > this.reserved) {
      this.folios.put(fresh);
      return this.dequeue([nid]);
    }
    this.adopt(fresh);
    this.temporary.add(fresh);
    return fresh;
  }

  /**
   * The mappings moved: what was temporary is the pool's now, and the source is temporary
   * (move_hugetlb_state).
   */
  moveState(src: number, dst: number): void {
    if (!this.temporary.delete(dst)) return;
    this.temporary.add(src);
    const from = this.pool(this.nodes.nidOf(src));
    const to = this.pool(this.nodes.nidOf(dst));
    if (from === to || from.surplus === 0) return;
    from.surplus -= 1;
    to.surplus += 1;
  }

  /**
   * A free page of the pool leaves it for the buddy allocator (dissolve_free_hugetlb_folio), but
   * not one that mappings were promised. @returns is it the allocator's now?
   */
  dissolve(folio: number): boolean {
    if (!this.table.has(folio, PG_hugetlb)) return true;
    const { free } = this.pool(this.nodes.nidOf(folio));
    const at = free.indexOf(folio);
    if (at < 0 || this.free() <= this.reserved) return false;
    free.splice(at, 1);
    this.table.refcount[folio] = 0;
    this.release(folio);
    this.max -= 1;
    return true;
  }

  /** A free page that nobody was promised, from the first of the nodes that has one; or -1. */
  takeSpare(nids: Iterable<number>): number {
    return this.free() > this.reserved ? this.dequeue(nids) : -1;
  }

  /** Is the folio free in the pool? */
  isFree(folio: number): boolean {
    return this.pool(this.nodes.nidOf(folio)).free.includes(folio);
  }

  /** free_huge_folio. */
  private freeFolio(folio: number): void {
    const pool = this.pool(this.nodes.nidOf(folio));
    const isTemporary = this.temporary.delete(folio);
    if (isTemporary || pool.surplus > 0) {
      if (!isTemporary) pool.surplus -= 1;
      this.release(folio);
      return;
    }
    this.table.flags[folio]! &= POOL_FLAGS;
    for (let at = 1; at < 1 << PMD_ORDER; at++) this.table.flags[folio + at]! &= POOL_FLAGS;
    this.table.refcount[folio] = 1;
    pool.free.push(folio);
  }

  /** The folio leaves the books and goes to the buddy allocator (remove_hugetlb_folio). */
  private release(folio: number): void {
    this.pool(this.nodes.nidOf(folio)).nr -= 1;
    this.table.clear(folio, PG_hugetlb);
    this.zoneAlloc.free(folio);
  }

  /** Free pages that are not surplus, where both cannot be told apart. */
  private persistentFree(): number {
    const free = this.free();
    if (free <= this.persistent()) return free;
    return Math.max(0, free - this.surplus());
  }

  /** One more page from the next node that has one (alloc_pool_huge_folio). */
  private grow(nids: readonly number[]): boolean {
    for (let tries = 0; tries < nids.length; tries++) {
      const folio = this.makeFresh(this.takeNextToAlloc(nids));
      if (folio < 0) continue;
      this.pool(this.nodes.nidOf(folio)).free.push(folio);
      return true;
    }
    return false;
  }

  /**
   * One free page less, from the next node that has one, or that has surplus too
   * (remove_pool_hugetlb_folio).
   */
  private shrink(nids: readonly number[], which: 'any' | 'surplus' = 'any'): boolean {
    for (let tries = 0; tries < nids.length; tries++) {
      const pool = this.pool(this.takeNextToFree(nids));
      if (which === 'surplus' && pool.surplus === 0) continue;
      const folio = pool.free.pop();
      if (folio === undefined) continue;
      if (which === 'surplus') pool.surplus -= 1;
      this.table.refcount[folio] = 0;
      this.release(folio);
      return true;
    }
    return false;
  }

  /** One page more or less counts as surplus (adjust_pool_surplus). */
  private adjustSurplus(nids: readonly number[], delta: 1 | -1): boolean {
    for (let tries = 0; tries < nids.length; tries++) {
      const nid = delta < 0 ? this.takeNextToAlloc(nids) : this.takeNextToFree(nids);
      const pool = this.pool(nid);
      if (delta < 0 ? pool.surplus === 0 : pool.surplus >= pool.nr) continue;
      pool.surplus += delta;
      return true;
    }
    return false;
  }

  private makeFresh(nid: number): number {
    if (!this.nodes.exists(nid) || !this.nodes.hasState(nid, N_MEMORY)) return -1;
    const gfp = GFP_HIGHUSER_MOVABLE | __GFP_COMP | __GFP_NOWARN | __GFP_THISNODE;
    const folio = this.zoneAlloc.alloc({ gfp, order: PMD_ORDER, nid, nodemask: null });
    if (folio >= 0) this.adopt(folio);
    return folio;
  }

  private adopt(folio: number): void {
    assert(this.table.order[folio] === PMD_ORDER, 'the pool has pages of one size');
    this.table.set(folio, PG_hugetlb);
    this.pool(this.nodes.nidOf(folio)).nr += 1;
  }

  /** The node whose turn it is among some; the next turn is of the one after it, by turns. */
  private takeNextToAlloc(nids: readonly number[]): number {
    const { taken, next } = turnOf(nids, this.nextToAlloc);
    this.nextToAlloc = next;
    return taken;
  }

  private takeNextToFree(nids: readonly number[]): number {
    const { taken, next } = turnOf(nids, this.nextToFree);
    this.nextToFree = next;
    return taken;
  }

  private sum(nid: number | undefined, of: (pool: NodePool) => number): number {
    if (nid !== undefined) return of(this.pool(nid));
    return this.pools.reduce((sum, pool) => sum + of(pool), 0);
  }

  private pool(nid: number): NodePool {
    const pool = this.pools[nid];
    assert(pool !== undefined, 'every node id has a pool');
    return pool;
  }
}
export const HugetlbToken = createToken<Hugetlb>('Hugetlb');

/** The first of ascending nodes from `from` on, and the one after it; both go round. */
function turnOf(nids: readonly number[], from: number): { taken: number; next: number } {
  const at = Math.max(
    0,
    nids.findIndex((nid) => nid >= from),
  );
  return { taken: nids[at] ?? 0, next: nids[(at + 1) % nids.length] ?? 0 };
}

/** What a free folio of the pool keeps of its flags. */
const POOL_FLAGS = PG_hugetlb | PG_head | PG_tail;
