import { PG_active, PG_lru, PG_swapbacked, PG_unevictable } from '../abi/page-flags.js';
import { MAX_NUMNODES } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken } from '../base/di.js';
import type { FolioTable } from './folio-table.js';
import {
  ANON_AND_FILE,
  genOf,
  LISTS_PER_LRUVEC,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  LRU_UNEVICTABLE,
  type LruEntry,
  Lruvec,
  NR_LRU_LISTS,
  typeOf,
} from './lruvec.js';
import type { Nodes } from './nodes.js';

/** Most lruvecs of a machine: control groups times nodes that have had pages. */
const LRUVECS_MAX = 1024;

/** The list a folio's flags say (folio_lru_list). */
export function lruOf(flags: number): number {
  if ((flags & PG_unevictable) !== 0) return LRU_UNEVICTABLE;
  const base = (flags & PG_swapbacked) !== 0 ? LRU_INACTIVE_ANON : LRU_INACTIVE_FILE;
  return (flags & PG_active) !== 0 ? base + 1 : base;
}

/**
 * The LRU lists of each control group on each node. Only linkage and sizes live here; which folio
 * goes where is decided in mm/. Invariant: a folio is linked here exactly when PG_lru is set, on
 * the list that `lruOf(flags)` says, or, if it has a generation, on a list of its lruvec and type.
 */
export class LruLists {
  /** By memcg * MAX_NUMNODES + nid. */
  private readonly lruvecs: (Lruvec | undefined)[] = [];
  private readonly inOrder: Lruvec[] = [];
  private generations = false;

  constructor(
    private readonly table: FolioTable,
    private readonly nodes: Nodes,
    /** First index of ours among the links' lists. */
    private readonly listBase: number,
  ) {}

  /** Number of lists that all lruvecs need. */
  static readonly LISTS = LRUVECS_MAX * LISTS_PER_LRUVEC;

  /** Are generations in use (lru_gen_enabled)? */
  get lruGenEnabled(): boolean {
    return this.generations;
  }

  /** The lruvec of a group on a node (mem_cgroup_lruvec). */
  lruvec(memcg: number, nid: number): Lruvec {
    const key = memcg * MAX_NUMNODES + nid;
    const known = this.lruvecs[key];
    if (known !== undefined) return known;
    const at = this.inOrder.length;
    assert(at < LRUVECS_MAX, 'there is room for one more group on one more node');
    const made = new Lruvec(memcg, nid, this.listBase + at * LISTS_PER_LRUVEC);
    this.lruvecs[key] = made;
    this.inOrder.push(made);
    return made;
  }

  /** The lruvec of a folio (folio_lruvec). */
  of(folio: number): Lruvec {
    return this.lruvec(this.table.memcg[folio]!, this.nodes.nidOf(folio));
  }

  /** Another group has the id (mem_cgroup_css_online). */
  renew(memcg: number): void {
    for (const lruvec of this.inOrder) if (lruvec.memcg === memcg) lruvec.renew();
  }

  /** Makes an inactive, evictable folio active (folio_activate). @returns did it become so? */
  activate(folio: number): boolean {
    if (this.table.has(folio, PG_active | PG_unevictable)) return false;
    const listed = this.table.has(folio, PG_lru);
    if (listed) this.remove(folio);
    this.table.set(folio, PG_active);
    if (listed) this.add(folio);
    return true;
  }

  /** Every lruvec so far. */
  all(): readonly Lruvec[] {
    return this.inOrder;
  }

  /** Puts a folio at the head of its list and sets PG_lru (lruvec_add_folio). */
  add(folio: number): void {
    this.link(folio, 'add');
  }

  /** The same at the tail (lruvec_add_folio_tail). */
  addTail(folio: number): void {
    this.link(folio, 'rotate');
  }

  /** Takes a folio off and clears PG_lru (lruvec_del_folio). */
  remove(folio: number): void {
    const gen = this.unlink(folio);
    if (gen >= 0 && this.of(folio).isActiveGen(gen)) this.table.set(folio, PG_active);
  }

  /** The same for eviction, which has decided already: the folio does not become active. */
  removeForEviction(folio: number): void {
    this.unlink(folio);
  }

  /** Pages on a list of a node, all groups together (node_page_state). */
  size(nid: number, list: number): number {
    let pages = 0;
    for (const lruvec of this.inOrder) if (lruvec.nid === nid) pages += lruvec.size(list);
    return pages;
  }

  /** Oldest folio of a list of the root group, or -1. */
  oldest(nid: number, list: number): number {
    return this.table.links.last(this.lruvec(0, nid).list(list));
  }

  /** Folios of the root group from newest to oldest; the list must not change meanwhile. */
  walk(nid: number, list: number): IterableIterator<number> {
    return this.table.links.walk(this.lruvec(0, nid).list(list));
  }

  /** Oldest folio on a list by its head, or -1. */
  tail(head: number): number {
    return this.table.links.last(head);
  }

  /** Folios on a list by its head, newest first; the list must not change meanwhile. */
  walkList(head: number): IterableIterator<number> {
    return this.table.links.walk(head);
  }

  /** Is a listed folio among those that eviction comes to first (lru_gen_clear_refs)? */
  isOldestGen(folio: number): boolean {
    const { minSeq } = this.of(folio);
    return this.table.lruGen[folio]! - 1 === genOf(minSeq[typeOf(this.table.flags[folio]!)]!);
  }

  /** Aging found the folio in use: it is of another generation, its list changes later. */
  updateGen(folio: number, gen: number): void {
    const lruvec = this.of(folio);
    const type = typeOf(this.table.flags[folio]!);
    const pages = this.table.nrPages(folio);
    lruvec.genPages[(this.table.lruGen[folio]! - 1) * ANON_AND_FILE + type]! -= pages;
    lruvec.genPages[gen * ANON_AND_FILE + type]! += pages;
    this.table.lruGen[folio] = gen + 1;
  }

  /** Moves a folio to the list of its generation: at its head, or where eviction begins. */
  sort(folio: number, entry: LruEntry): void {
    const lruvec = this.of(folio);
    const type = typeOf(this.table.flags[folio]!);
    const head = lruvec.genList(this.table.lruGen[folio]! - 1, type);
    this.table.links.remove(folio);
    if (entry === 'rotate') this.table.links.addTail(head, folio);
    else this.table.links.addHead(head, folio);
  }

  /** Moves every folio from the one kind of lists to the other (lru_gen_change_state). */
  setLruGenEnabled(enabled: boolean): void {
    if (enabled === this.generations) return;
    this.generations = enabled;
    for (const lruvec of this.inOrder) {
      const first = enabled ? 0 : NR_LRU_LISTS;
      const end = enabled ? LRU_UNEVICTABLE : LISTS_PER_LRUVEC;
      for (let head = first; head < end; head++) this.relink(lruvec.listBase + head);
    }
  }

  private relink(head: number): void {
    const folios = [...this.table.links.walk(head)].reverse();
    for (const folio of folios) {
      this.remove(folio);
      this.add(folio);
    }
  }

  private link(folio: number, entry: LruEntry): void {
    assert(!this.table.has(folio, PG_lru), 'the folio is on no list');
    this.table.set(folio, PG_lru);
    const lruvec = this.of(folio);
    const flags = this.table.flags[folio]!;
    if (this.generations && (flags & PG_unevictable) === 0) {
      this.linkGen(lruvec, folio, flags, entry);
      return;
    }
    const list = lruOf(flags);
    lruvec.sizes[list]! += this.table.nrPages(folio);
    if (entry === 'rotate') this.table.links.addTail(lruvec.list(list), folio);
    else this.table.links.addHead(lruvec.list(list), folio);
  }

  /** lru_gen_add_folio: which generation says how active it is, the flag goes. */
  private linkGen(lruvec: Lruvec, folio: number, flags: number, entry: LruEntry): void {
    const seq = lruvec.entrySeq(flags, entry);
    const type = typeOf(flags);
    this.table.lruGen[folio] = genOf(seq) + 1;
    this.table.clear(folio, PG_active);
    lruvec.genPages[genOf(seq) * ANON_AND_FILE + type]! += this.table.nrPages(folio);
    const head = lruvec.genList(seq, type);
    if (entry === 'rotate') this.table.links.addTail(head, folio);
    else this.table.links.addHead(head, folio);
  }

  /** @returns the generation that the folio was of, or -1 */
  private unlink(folio: number): number {
    assert(this.table.has(folio, PG_lru), 'the folio is on a list');
    const lruvec = this.of(folio);
    const flags = this.table.flags[folio]!;
    const gen = this.table.lruGen[folio]! - 1;
    const pages = this.table.nrPages(folio);
    if (gen < 0) lruvec.sizes[lruOf(flags)]! -= pages;
    else lruvec.genPages[gen * ANON_AND_FILE + typeOf(flags)]! -= pages;
    this.table.lruGen[folio] = 0;
    this.table.links.remove(folio);
    this.table.clear(folio, PG_lru);
    return gen;
  }
}
export const LruListsToken = createToken<LruLists>('LruLists');
