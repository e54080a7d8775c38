import { MIGRATE_MOVABLE } from '../abi/migratetype.js';
import {
  PG_head,
  PG_referenced,
  PG_reserved,
  PG_tail,
  PG_unevictable,
  PG_workingset,
} from '../abi/page-flags.js';
import { MAX_PAGE_ORDER, PAGEBLOCK_PAGES } from '../abi/zone.js';
import { createToken } from '../base/di.js';
import { IntrusiveLists } from '../base/lists.js';
import { LRU_REFS_MAX } from './tier-counts.js';

/** Bytes of columns per 4 KiB page, links included. */
export const FOLIO_TABLE_BYTES_PER_PAGE = 33 + IntrusiveLists.BYTES_PER_ELEMENT;

/** Contents that are gone: what was stored was lost (poison, a device over its capacity). */
export const VERSION_LOST = -1;
/** Fresh zeroes. */
export const VERSION_ZERO = 0;

/**
 * The memory map as columns by pfn (struct page and struct folio). The columns are sized for every
 * page the machine can ever have and are committed by the host only where they are touched, so free
 * memory costs nothing.
 *
 * A folio of order k starts at a multiple of 2^k. `order` is set on each of its pages, everything
 * that is per folio (refcount, links, LRU flags) stands at its first page; mapcount, rmap and
 * contents are per page.
 */
export class FolioTable {
  /** PG_* bits. */
  readonly flags: Int32Array;
  /** References; 0 = free or frozen. Per folio. */
  readonly refcount: Int32Array;
  /** Page-table entries that map the page. Per page. */
  readonly mapcount: Int32Array;
  /** Owner byte: 0 ordinary memory. Read only by `Managed`. */
  readonly owner: Uint8Array;
  readonly order: Uint8Array;
  /**
   * Index of the zone in `Nodes.zones`, plus one, by block of the largest order; 0 = no such page.
   */
  readonly zoneOfBlock: Uint16Array;
  /** Reverse map: 0 none, slot + 1 of the only entry, or -(list + 1); see `Rmap`. */
  readonly rmap: Int32Array;
  /**
   * Identity of the contents: VERSION_ZERO, VERSION_LOST, or the number of the store that made
   * them.
   */
  readonly version: Int32Array;
  /** Name of the bytes (`PageData`); 0 = zeroes. */
  readonly key: Int32Array;
  /**
   * Who used the folio last as NUMA balancing saw it, plus one; of slow memory in the tiering mode
   * the time of its scan in milliseconds, plus one; 0 = not known (folio_last_cpupid). Per folio.
   */
  readonly lastCpupid: Int32Array;
  /** Memory control group that the folio is charged to, 0 = the root (folio->memcg_data). */
  readonly memcg: Uint8Array;
  /** Generation on the multi-generational LRU, plus one; 0 = on none (LRU_GEN_MASK of flags). */
  readonly lruGen: Uint8Array;
  /** MIGRATE_* by page block, with a bit for isolation; see `pageblockMigratetype`. */
  readonly pageblockType: Uint8Array;
  /** Uses besides the one that PG_referenced stands for (LRU_REFS_MASK of flags). Per folio. */
  readonly lruRefs: Uint8Array;
  /** Links of free lists and LRU lists; a page is on one of them at most. */
  readonly links: IntrusiveLists;

  /**
   * @param pages number of pfns
   * @param lists number of lists that the links serve
   */
  constructor(
    readonly pages: number,
    lists: number,
  ) {
    this.flags = new Int32Array(pages);
    this.refcount = new Int32Array(pages);
    this.mapcount = new Int32Array(pages);
    this.owner = new Uint8Array(pages);
    this.order = new Uint8Array(pages);
    this.zoneOfBlock = new Uint16Array((pages >> MAX_PAGE_ORDER) + 1);
    this.rmap = new Int32Array(pages);
    this.version = new Int32Array(pages);
    this.key = new Int32Array(pages);
    this.lastCpupid = new Int32Array(pages);
    this.memcg = new Uint8Array(pages);
    this.lruGen = new Uint8Array(pages);
    const blocks = Math.ceil(pages / PAGEBLOCK_PAGES) + 1;
    this.pageblockType = new Uint8Array(blocks).fill(MIGRATE_MOVABLE);
    this.lruRefs = new Uint8Array(pages);
    this.links = new IntrusiveLists(pages, lists);
  }

  /** First page of the folio that `pfn` belongs to (page_folio). */
  head(pfn: number): number {
    return (this.flags[pfn]! & PG_tail) === 0 ? pfn : pfn & ~((1 << this.order[pfn]!) - 1);
  }

  /** Pages of the folio (folio_nr_pages). */
  nrPages(folio: number): number {
    return 1 << this.order[folio]!;
  }

  /** Makes `1 << order` free pages one folio with one reference (prep_compound_page). */
  prepareFolio(pfn: number, order: number): void {
    this.refcount[pfn] = 1;
    if (this.lastCpupid[pfn] !== 0) this.lastCpupid[pfn] = 0;
    if (this.lruRefs[pfn] !== 0) this.lruRefs[pfn] = 0;
    this.flags[pfn] = order > 0 ? PG_head : 0;
    this.order[pfn] = order;
    for (let at = pfn + 1; at < pfn + (1 << order); at++) {
      this.flags[at] = PG_tail;
      this.order[at] = order;
    }
  }

  /** Marks pages as nobody's: not there, or the kernel's own (PageReserved). */
  reserve(pfn: number, pages: number): void {
    this.flags.fill(PG_reserved, pfn, pfn + pages);
  }

  /** The pages come to be: fresh and free. */
  unreserve(pfn: number, pages: number): void {
    this.flags.fill(0, pfn, pfn + pages);
    this.order.fill(0, pfn, pfn + pages);
    this.refcount.fill(0, pfn, pfn + pages);
  }

  /** Entries that map any page of the folio (folio_mapcount). */
  folioMapcount(folio: number): number {
    let sum = 0;
    const end = folio + this.nrPages(folio);
    for (let at = folio; at < end; at++) sum += this.mapcount[at]!;
    return sum;
  }

  /** Uses of a folio that were noticed, up to four (folio_lru_refs). */
  lruUses(folio: number): number {
    return this.has(folio, PG_referenced) ? this.lruRefs[folio]! + 1 : 0;
  }

  /** One more use; when there is no room for more it is of the working set (lru_gen_inc_refs). */
  incLruUses(folio: number): void {
    if (this.has(folio, PG_unevictable)) return;
    if (!this.has(folio, PG_referenced)) {
      this.set(folio, PG_referenced);
      this.lruRefs[folio] = 0;
    } else if (this.lruRefs[folio] === LRU_REFS_MAX) this.set(folio, PG_workingset);
    else this.lruRefs[folio]! += 1;
  }

  /** Uses begin to count anew (LRU_REFS_FLAGS cleared). */
  clearLruUses(folio: number): void {
    this.clear(folio, PG_referenced);
    this.lruRefs[folio] = 0;
  }

  has(folio: number, flag: number): boolean {
    return (this.flags[folio]! & flag) !== 0;
  }

  set(folio: number, flag: number): void {
    this.flags[folio]! |= flag;
  }

  clear(folio: number, flag: number): void {
    this.flags[folio]! &= ~flag;
  }
}
export const FolioTableToken = createToken<FolioTable>('FolioTable');
