import {
  type CostModel,
  type FolioTable,
  type Managed,
  type Mapping,
  type MmStruct,
  type Mms,
  type Nodes,
  PG_hwpoison,
  PG_isolated,
  PG_locked,
  PG_mlocked,
  PG_pinned,
  PG_swapcache,
  PG_unevictable,
  type Ptes,
  pteMapsNormalPage,
  type RmapWalk,
  type Work,
} from '@mm-lab/mm-core';
import { PageHand } from './page-hand.js';

/** Neighbouring cold pages of one address space. */
export interface ColdRun {
  readonly mm: MmStruct;
  readonly start: number;
  /** First page behind the run. */
  end: number;
}

/** How far one search may go. */
export interface SearchLimit {
  /** Entries looked at. */
  readonly entries: number;
  /** Cold pages found. */
  readonly pages: number;
  /** Only pages of this node; -1 = any. */
  readonly nid: number;
}

/** What the finder needs of the machine. */
export interface ColdPagesParts {
  readonly table: FolioTable;
  readonly nodes: Nodes;
  readonly ptes: Ptes;
  readonly mms: Mms;
  readonly mapping: Mapping;
  readonly rmapWalk: RmapWalk;
  readonly managed: Managed;
  readonly cost: CostModel;
  readonly work: Work;
}

/** A page that we evicted: not offered again before somebody uses it. */
const SHUNNED = 255;
const AGE_MAX = 250;
/** Cold pages that a threshold should offer, as a share of all. */
const OFFERED = 1 / 64;

/**
 * The driver's own ageing, as there is no LRU it could use: its victims are the kernel's to rank,
 * its own pages are on no list. Two hands go over the page tables and take accessed bits, without a
 * flush. The slow one counts, per page, rounds without use; its speed is given, so an age is a
 * time. The quick one searches when pages are wanted: cold is what has reached the `threshold`
 * age. Each round of the slow hand sets it to the highest age that enough pages have reached (as
 * MGLRU's generations do); a round of the quick one that finds nothing halves it.
 */
export class ColdPages {
  /** Rounds of the slow hand without use, by pfn. */
  private readonly age: Uint8Array;
  private readonly slow: PageHand;
  private readonly quick: PageHand;
  private threshold = 1;
  /** Pages by age, in the current round of the slow hand. */
  private readonly census = new Int32Array(AGE_MAX + 1);
  private slowLaps = 0;
  private quickLaps = 0;
  /** Cold pages found in the current round of the quick hand. */
  private found = 0;
  /** Entries looked at so far, by both hands. */
  scanned = 0;

  constructor(private readonly parts: ColdPagesParts) {
    this.age = new Uint8Array(parts.table.pages);
    this.slow = new PageHand(parts.ptes, parts.mms);
    this.quick = new PageHand(parts.ptes, parts.mms);
  }

  /** Moves the slow hand on. */
  grow(entries: number): void {
    const visited = this.slow.walk(entries, (slot) => {
      const page = this.pageAt(slot, -1);
      if (page < 0) return true;
      if (this.wasUsed(page, slot)) this.age[page] = 0;
      else if (this.age[page]! < AGE_MAX) this.age[page]! += 1;
      if (this.age[page] !== SHUNNED) this.census[this.age[page]!]! += 1;
      return true;
    });
    this.charge(visited);
    if (this.slow.laps === this.slowLaps) return;
    this.slowLaps = this.slow.laps;
    this.threshold = this.chooseThreshold();
    this.census.fill(0);
  }

  /** Moves the quick hand on until it has found enough. */
  search(limit: SearchLimit): ColdRun[] {
    const runs: ColdRun[] = [];
    let pages = 0;
    if (limit.pages <= 0) return runs;
    const visited = this.quick.walk(limit.entries, (slot, mm, vpn) => {
      const page = this.pageAt(slot, limit.nid);
      if (page < 0 || !this.isCold(page, slot)) return true;
      append(runs, mm, vpn);
      pages++;
      return pages < limit.pages;
    });
    this.found += pages;
    this.charge(visited);
    if (this.quick.laps === this.quickLaps) return runs;
    this.quickLaps = this.quick.laps;
    if (this.found === 0) this.threshold >>= 1;
    this.found = 0;
    return runs;
  }

  /** The page was evicted to `pfn`: leave it to the kernel's own reclaim. */
  shun(pfn: number): void {
    this.age[pfn] = SHUNNED;
  }

  /** Has nobody used the page since it was evicted to `pfn`? */
  isShunned(pfn: number): boolean {
    return this.age[pfn] === SHUNNED;
  }

  private isCold(page: number, slot: number): boolean {
    if (this.wasUsed(page, slot)) {
      this.age[page] = 0;
      return false;
    }
    return this.age[page] !== SHUNNED && this.age[page]! >= this.threshold;
  }

  /** The system page an entry maps, if it may go; -1 otherwise. */
  private pageAt(slot: number, nid: number): number {
    const { ptes, table, managed, nodes } = this.parts;
    const bits = ptes.bits[slot]!;
    if (!pteMapsNormalPage(bits)) return -1;
    const page = ptes.value[slot]!;
    const folio = table.head(page);
    if (table.has(folio, NOT_OURS) || managed.ownerOf(folio) !== null) return -1;
    return nid < 0 || nodes.nidOf(folio) === nid ? page : -1;
  }

  /** A shared page was used if any of its mappings was. */
  private wasUsed(page: number, slot: number): boolean {
    const { table, mapping, rmapWalk } = this.parts;
    if (table.mapcount[page]! <= 1) return mapping.testAndClearYoung(slot);
    return rmapWalk.folioReferenced(table.head(page)) > 0;
  }

  private chooseThreshold(): number {
    const wanted = OFFERED * this.census.reduce((sum, count) => sum + count, 0);
    let age = AGE_MAX;
    for (let reached = this.census[age]!; age > 1 && reached < wanted; ) {
      age--;
      reached += this.census[age]!;
    }
    return age;
  }

  private charge(visited: number): void {
    this.scanned += visited;
    this.parts.work.charge(visited * this.parts.cost.ns.scanPage);
  }
}

/** Somebody has a hold on it, or swap has a copy already that the kernel may drop it for. */
const NOT_OURS =
  PG_mlocked | PG_unevictable | PG_pinned | PG_locked | PG_isolated | PG_hwpoison | PG_swapcache;

function append(runs: ColdRun[], mm: MmStruct, vpn: number): void {
  const last = runs[runs.length - 1];
  if (last !== undefined && last.mm === mm && last.end === vpn) last.end = vpn + 1;
  else runs.push({ mm, start: vpn, end: vpn + 1 });
}
