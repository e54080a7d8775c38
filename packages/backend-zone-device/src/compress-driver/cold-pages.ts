import {
  type CostModel,
  type FolioTable,
  LEAF_SHIFT,
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
  PTE_SPECIAL,
  PTRS_PER_PTE,
  type Ptes,
  pteMapsPage,
  type RmapWalk,
  type Work,
} from '@mm-lab/mm-core';

/** Neighbouring cold pages of one address space. */
export interface ColdRun {
  readonly mm: MmStruct;
  readonly start: number;
  /** First page behind the run. */
  end: number;
}

/** How far one scan may go. */
export interface ScanLimit {
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

/** A page we evicted: not offered again before somebody uses it. */
const SHUNNED = 255;
const AGE_MAX = 250;
/** Visits without use after which a page is cold: at first, at most. */
const THRESHOLD_START = 2;
const THRESHOLD_MAX = 6;
const LEAVES_MAX = 64;

/**
 * The driver's own ageing, as its pages and its victims are not ranked by any LRU it could use: a
 * clock hand over the page tables of every address space (registered as khugepaged registers them,
 * at creation), which takes the accessed bits without a flush. A page that was idle at
 * `threshold` visits in a row is cold; a lap that finds nothing lowers the threshold, one that
 * finds plenty raises it.
 */
export class ColdPages {
  /** Visits without use, by pfn. */
  private readonly age: Uint8Array;
  private mmId = 0;
  private regions: readonly (readonly [region: number, leaf: number])[] = [];
  private regionAt = 0;
  private offset = 0;
  private threshold = THRESHOLD_START;
  private lapFound = 0;
  private lapScanned = 0;
  /** Entries looked at so far. */
  scanned = 0;

  constructor(private readonly parts: ColdPagesParts) {
    this.age = new Uint8Array(parts.table.pages);
  }

  /** Moves the hand on; charges what it looks at. */
  scan(limit: ScanLimit): ColdRun[] {
    const runs: ColdRun[] = [];
    const before = this.scanned;
    let pages = 0;
    for (let leaves = 0; leaves < LEAVES_MAX; leaves++) {
      const mm = this.leafMm();
      if (mm === null) break;
      const [region, leaf] = this.regions[this.regionAt]!;
      for (; this.offset < PTRS_PER_PTE; this.offset++) {
        if (this.scanned - before >= limit.entries || pages >= limit.pages) return runs;
        if (!this.visit((leaf << LEAF_SHIFT) | this.offset, limit.nid)) continue;
        append(runs, mm, region * PTRS_PER_PTE + this.offset);
        pages++;
      }
    }
    return runs;
  }

  /** The page was evicted to `pfn`: leave it to the kernel's own reclaim. */
  shun(pfn: number): void {
    this.age[pfn] = SHUNNED;
  }

  /** Looks at one entry. @returns is it a cold page that may go? */
  private visit(slot: number, nid: number): boolean {
    const { ptes, work, cost } = this.parts;
    const bits = ptes.bits[slot]!;
    if (bits === 0) return false;
    this.scanned++;
    this.lapScanned++;
    work.charge(cost.ns.scanPage);
    if (!pteMapsPage(bits) || (bits & PTE_SPECIAL) !== 0) return false;
    const page = ptes.value[slot]!;
    if (!this.mayGo(page, nid)) return false;
    if (this.wasUsed(page, slot)) {
      this.age[page] = 0;
      return false;
    }
    if (this.age[page] === SHUNNED) return false;
    this.age[page] = Math.min(AGE_MAX, this.age[page]! + 1);
    if (this.age[page]! < this.threshold) return false;
    this.lapFound++;
    return true;
  }

  private mayGo(page: number, nid: number): boolean {
    const { table, managed, nodes } = this.parts;
    const folio = table.head(page);
    if (table.has(folio, NOT_OURS) || managed.ownerOf(folio) !== null) return false;
    return nid < 0 || nodes.nidOf(folio) === nid;
  }

  /** A shared page is used if any of its mappings was. */
  private wasUsed(page: number, slot: number): boolean {
    const { table, mapping, rmapWalk } = this.parts;
    if (table.mapcount[page]! <= 1) return mapping.testAndClearYoung(slot);
    return rmapWalk.folioReferenced(table.head(page)) > 0;
  }

  /** The address space of the leaf under the hand, after moving on if that one is done or gone. */
  private leafMm(): MmStruct | null {
    if (this.offset >= PTRS_PER_PTE) {
      this.offset = 0;
      this.regionAt++;
    }
    const current = this.regions[this.regionAt];
    if (current !== undefined) {
      const slot = this.parts.ptes.find(this.mmId, current[0] * PTRS_PER_PTE);
      if (slot >> LEAF_SHIFT === current[1] && slot >= 0) return this.parts.mms.get(this.mmId);
    }
    return this.nextMm();
  }

  /** The next address space with page tables; after the last one a new lap begins. */
  private nextMm(): MmStruct | null {
    const all = [...this.parts.mms.all()];
    const later = all.filter((mm) => mm.id > this.mmId);
    if (later.length === 0) this.endLap();
    for (const mm of [...later, ...all.filter((other) => other.id <= this.mmId)]) {
      this.regions = this.parts.ptes.regions(mm.id);
      this.regionAt = 0;
      this.offset = 0;
      this.mmId = mm.id;
      if (this.regions.length > 0) return mm;
    }
    return null;
  }

  private endLap(): void {
    const share = this.lapFound / Math.max(1, this.lapScanned);
    if (this.lapFound === 0) this.threshold = Math.max(1, this.threshold - 1);
    else if (share > LAP_PLENTY) this.threshold = Math.min(THRESHOLD_MAX, this.threshold + 1);
    this.lapFound = 0;
    this.lapScanned = 0;
  }
}

/** Share of cold pages of a lap above which the finder gets choosier. */
const LAP_PLENTY = 0.125;

/** Somebody has a hold on it, or swap has a copy already that the kernel may drop it for. */
const NOT_OURS =
  PG_mlocked | PG_unevictable | PG_pinned | PG_locked | PG_isolated | PG_hwpoison | PG_swapcache;

function append(runs: ColdRun[], mm: MmStruct, vpn: number): void {
  const last = runs[runs.length - 1];
  if (last !== undefined && last.mm === mm && last.end === vpn) last.end = vpn + 1;
  else runs.push({ mm, start: vpn, end: vpn + 1 });
}
