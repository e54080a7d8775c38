import { PG_active, PG_lru, PG_swapbacked, PG_unevictable } from '../abi/page-flags.js';
import { MAX_NUMNODES } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken } from '../base/di.js';
import type { FolioTable } from './folio-table.js';
import type { Nodes } from './nodes.js';

/** LRU lists of a node (include/linux/mmzone.h:enum lru_list). */
export const LRU_INACTIVE_ANON = 0;
export const LRU_ACTIVE_ANON = 1;
export const LRU_INACTIVE_FILE = 2;
export const LRU_ACTIVE_FILE = 3;
export const LRU_UNEVICTABLE = 4;
export const NR_LRU_LISTS = 5;

/** The list a folio's flags say (folio_lru_list). */
export function lruOf(flags: number): number {
  if ((flags & PG_unevictable) !== 0) return LRU_UNEVICTABLE;
  const base = (flags & PG_swapbacked) !== 0 ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE;
  return (flags & PG_active) !== 0 ? base + 1 : base;
}

/**
 * The five LRU lists of each node. Only linkage and sizes live here; which folio goes where is
 * decided in mm/. Invariant: a folio is linked here exactly when PG_lru is set, on the list that
 * `lruOf(flags)` says.
 */
export class LruLists {
  /** Pages on each list, by nid * NR_LRU_LISTS + list. */
  private readonly sizes = new Float64Array(MAX_NUMNODES * NR_LRU_LISTS);

  constructor(
    private readonly table: FolioTable,
    private readonly nodes: Nodes,
    /** First index of ours among the links' lists. */
    private readonly listBase: number,
  ) {}

  /** Number of lists that all nodes need. */
  static readonly LISTS = MAX_NUMNODES * NR_LRU_LISTS;

  /** Puts a folio at the head of its list and sets PG_lru (lruvec_add_folio). */
  add(folio: number): void {
    this.link(folio, false);
  }

  /** The same at the tail (lruvec_add_folio_tail). */
  addTail(folio: number): void {
    this.link(folio, true);
  }

  /** Takes a folio off and clears PG_lru (lruvec_del_folio). */
  remove(folio: number): void {
    assert(this.table.has(folio, PG_lru), 'the folio is on a list');
    const list = lruOf(this.table.flags[folio]!);
    this.sizes[this.nodes.nidOf(folio) * NR_LRU_LISTS + list]! -= this.table.nrPages(folio);
    this.table.links.remove(folio);
    this.table.clear(folio, PG_lru);
  }

  /** Pages on a list (lruvec_lru_size). */
  size(nid: number, list: number): number {
    return this.sizes[nid * NR_LRU_LISTS + list]!;
  }

  /** Oldest folio of a list, or -1. */
  oldest(nid: number, list: number): number {
    return this.table.links.last(this.index(nid, list));
  }

  /** Folios from newest to oldest; the list must not change meanwhile. */
  walk(nid: number, list: number): IterableIterator<number> {
    return this.table.links.walk(this.index(nid, list));
  }

  private index(nid: number, list: number): number {
    return this.listBase + nid * NR_LRU_LISTS + list;
  }

  private link(folio: number, atTail: boolean): void {
    assert(!this.table.has(folio, PG_lru), 'the folio is on no list');
    this.table.set(folio, PG_lru);
    const nid = this.nodes.nidOf(folio);
    const list = lruOf(this.table.flags[folio]!);
    this.sizes[nid * NR_LRU_LISTS + list]! += this.table.nrPages(folio);
    if (atTail) this.table.links.addTail(this.index(nid, list), folio);
    else this.table.links.addHead(this.index(nid, list), folio);
  }
}
export const LruListsToken = createToken<LruLists>('LruLists');
