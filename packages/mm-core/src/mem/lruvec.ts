import {
  PG_active,
  PG_dirty,
  PG_reclaim,
  PG_referenced,
  PG_swapbacked,
  PG_swapcache,
  PG_workingset,
} from '../abi/page-flags.js';
import { TierCounts } from './tier-counts.js';

/** LRU lists of the classic kind (include/linux/mmzone.h:enum lru_list). */
export const LRU_INACTIVE_ANON = 0;
export const LRU_ACTIVE_ANON = 1;
export const LRU_INACTIVE_FILE = 2;
export const LRU_ACTIVE_FILE = 3;
export const LRU_UNEVICTABLE = 4;
export const NR_LRU_LISTS = 5;

/** Generations that a type has at least and at most (include/linux/mmzone.h). */
export const MIN_NR_GENS = 2;
export const MAX_NR_GENS = 4;
/** Kinds of pages that reclaim weighs against each other (LRU_GEN_ANON, LRU_GEN_FILE). */
export const LRU_GEN_ANON = 0;
export const LRU_GEN_FILE = 1;
export const ANON_AND_FILE = 2;

/** Events counted by `Lruvec.workingset` (include/linux/mmzone.h:WORKINGSET_*_BASE). */
export const WORKINGSET_REFAULT = 0;
export const WORKINGSET_ACTIVATE = 1;
export const WORKINGSET_RESTORE = 2;
/** Their names in memory.stat and vmstat, by event * 2 + type. */
export const WORKINGSET_NAMES = [
  'workingset_refault_anon',
  'workingset_refault_file',
  'workingset_activate_anon',
  'workingset_activate_file',
  'workingset_restore_anon',
  'workingset_restore_file',
] as const;

/** List heads of a lruvec: the classic lists, then one for each generation and type. */
export const LISTS_PER_LRUVEC = NR_LRU_LISTS + MAX_NR_GENS * ANON_AND_FILE;

/** The ring of generations that a sequence number names (lru_gen_from_seq). */
export function genOf(seq: number): number {
  return seq % MAX_NR_GENS;
}

/** Type of a folio by its flags: lazily freed anonymous pages are file pages here. */
export function typeOf(flags: number): number {
  return (flags & PG_swapbacked) !== 0 ? LRU_GEN_ANON : LRU_GEN_FILE;
}

/**
 * Pages of one memory control group on one node, by age (struct lruvec). Only counts live here; the
 * lists are `LruLists`'. Either the classic lists are in use or the generations, never both; the
 * unevictable list always is.
 *
 * Generations of a type are numbered minSeq .. maxSeq, oldest first. A folio's generation is in
 * `FolioTable.lruGen`; when aging raises it, the folio stays on the list of the old one until
 * eviction comes across it (sort_folio). `genPages` goes by what the folio says.
 */
export class Lruvec {
  /** Pages on each classic list. */
  readonly sizes = new Float64Array(NR_LRU_LISTS);
  /** Pages by generation * 2 + type. */
  readonly genPages = new Float64Array(MAX_NR_GENS * ANON_AND_FILE);
  maxSeq = MIN_NR_GENS + 1;
  readonly minSeq = [0, 0];
  /** When each generation began, in nanoseconds (timestamps). */
  readonly births = new Float64Array(MAX_NR_GENS);
  /** Cost of reclaiming each type, in pages read back or kept (lru_note_cost). */
  readonly cost = [0, 0];
  /** The same as reclaim knows it: as of the last flush of the group's statistics. */
  readonly costSeen = [0, 0];
  /** Refaults that were activated, by type, when reclaim last looked (lruvec->refaults). */
  readonly refaultsSeen = [0, 0];
  /** Events WORKINGSET_* by event * 2 + type, those of groups below included. */
  readonly workingset = new Float64Array(WORKINGSET_NAMES.length);
  /** Pages evicted or activated so far, in groups below too (nonresident_age). */
  nonresidentAge = 0;
  /** What steers the eviction of generations. */
  tiers = new TierCounts();

  constructor(
    readonly memcg: number,
    readonly nid: number,
    /** First of its list heads. */
    readonly listBase: number,
  ) {}

  /** Refaults that were activated so far (WORKINGSET_ACTIVATE_ANON and _FILE). */
  activations(type: number): number {
    return this.workingset[WORKINGSET_ACTIVATE * ANON_AND_FILE + type]!;
  }

  /** Reclaim of the lruvec is done: refaults from now on are news (snapshot_refaults). */
  snapshotRefaults(): void {
    for (const type of [LRU_GEN_ANON, LRU_GEN_FILE]) {
      this.refaultsSeen[type] = this.activations(type);
    }
  }

  /** Another group has the id now: everything but the empty lists begins anew. */
  renew(): void {
    this.maxSeq = MIN_NR_GENS + 1;
    for (const ofType of [this.minSeq, this.cost, this.costSeen, this.refaultsSeen]) ofType.fill(0);
    this.workingset.fill(0);
    this.nonresidentAge = 0;
    this.tiers = new TierCounts();
  }

  /** Head of a classic list. */
  list(lru: number): number {
    return this.listBase + lru;
  }

  /** Head of the list of a generation. */
  genList(seq: number, type: number): number {
    return this.listBase + NR_LRU_LISTS + genOf(seq) * ANON_AND_FILE + type;
  }

  /** Is the generation one of the two youngest (lru_gen_is_active)? */
  isActiveGen(gen: number): boolean {
    return gen === genOf(this.maxSeq) || gen === genOf(this.maxSeq - 1);
  }

  /** Generations that a type has now (get_nr_gens). */
  nrGens(type: number): number {
    return this.maxSeq - this.minSeq[type]! + 1;
  }

  /** Sequence number that a folio enters with (lru_gen_folio_seq). */
  entrySeq(flags: number, entry: LruEntry): number {
    const type = typeOf(flags);
    const gens = generationsBack(flags, type, entry);
    return Math.max(this.maxSeq - gens + 1, this.minSeq[type]!);
  }

  /** Pages of a classic list, or of the generations that stand for it (lruvec_lru_size). */
  size(lru: number): number {
    if (lru === LRU_UNEVICTABLE) return this.sizes[lru]!;
    const type = lru >> 1;
    let pages = this.sizes[lru]!;
    for (let gen = 0; gen < MAX_NR_GENS; gen++) {
      const active = this.isActiveGen(gen) ? 1 : 0;
      if (active === (lru & 1)) pages += this.genPages[gen * ANON_AND_FILE + type]!;
    }
    return pages;
  }

  /** Pages of a type in generations that may be evicted some day: all of them. */
  typePages(type: number): number {
    let pages = 0;
    for (let gen = 0; gen < MAX_NR_GENS; gen++) pages += this.genPages[gen * ANON_AND_FILE + type]!;
    return pages;
  }

  flushCost(): void {
    this.costSeen[LRU_GEN_ANON] = this.cost[LRU_GEN_ANON]!;
    this.costSeen[LRU_GEN_FILE] = this.cost[LRU_GEN_FILE]!;
  }

  /** Pages on the evictable lists. */
  evictablePages(): number {
    let pages = 0;
    for (let list = 0; list < LRU_UNEVICTABLE; list++) pages += this.size(list);
    return pages;
  }
}

/** How a folio comes to the lists: as a page in use, or rotated to the end by reclaim. */
export type LruEntry = 'add' | 'rotate';

function generationsBack(flags: number, type: number, entry: LruEntry): number {
  const workingset = (flags & PG_workingset) !== 0 ? 1 : 0;
  if ((flags & PG_active) !== 0) return MIN_NR_GENS - workingset;
  if (entry === 'rotate') return MAX_NR_GENS;
  if (type === LRU_GEN_ANON && (flags & PG_swapcache) === 0) return MIN_NR_GENS;
  if ((flags & PG_reclaim) !== 0 && (flags & PG_dirty) !== 0) return MIN_NR_GENS;
  return MAX_NR_GENS - ((flags & (PG_workingset | PG_referenced)) !== 0 ? 1 : 0);
}
