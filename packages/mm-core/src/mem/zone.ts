import { ALLOC_HIGHATOMIC, ALLOC_OOM, ALLOC_RESERVES } from '../abi/alloc-flags.js';
import {
  MAX_PAGE_ORDER,
  WMARK_HIGH,
  WMARK_LOW,
  WMARK_MIN,
  WMARK_PROMO,
  ZONE_NAMES,
} from '../abi/zone.js';
import { type Pageset, PerCpuPages } from './per-cpu-pages.js';

/** Free lists per zone. */
export const ORDERS = MAX_PAGE_ORDER + 1;

/**
 * One zone of one node (struct zone): a run of pfns with its own free lists and watermarks. All
 * sizes are pages.
 */
export class Zone {
  /** Pages given to the buddy allocator; grows and shrinks by hotplug. */
  managedPages = 0;
  /** Spanned pages, from `base` on, that the buddy allocator never gets. */
  absentPages = 0;
  /** Pages that are there (present_pages); grows and shrinks by hotplug. */
  presentPages = 0;
  /** Pages behind those that the kernel took in the boot and keeps: managed, in use, nobody's. */
  kernelPages = 0;
  /**
   * NR_FREE_PAGES. Invariant: with `pcpPages` it equals the pages on the free lists and in the
   * untouched range.
   */
  freePages = 0;
  /** Free pages that CPUs keep in stock. */
  pcpPages = 0;
  /** kswapd works on the zone: CPUs keep few of the pages that come back (ZONE_RECLAIM_ACTIVE). */
  reclaimActive = false;
  /** How many they may keep. */
  pageset: Pageset = { batch: 1, highMin: 4, highMax: 4 };
  private readonly pcps: PerCpuPages[] = [];
  /** Free blocks of each order, of all types, the untouched range not included (nr_free). */
  readonly freeBlocks = new Int32Array(ORDERS);
  /** Those of them that are kept from ordinary requests: MIGRATE_HIGHATOMIC and MIGRATE_ISOLATE. */
  readonly apartBlocks = new Int32Array(ORDERS);
  /** Free MIGRATE_HIGHATOMIC pages (nr_free_highatomic); in `freePages` as well. */
  freeHighatomic = 0;
  /** Pages of the blocks of that type (nr_reserved_highatomic). */
  reservedHighatomic = 0;
  /** `_watermark` by WMARK_*. */
  readonly watermark = [0, 0, 0, 0];
  /** Added to every mark (wmark_pages). */
  watermarkBoost = 0;
  /** Most that falling back to other types may raise it to; 0: not at all (boost_watermark). */
  boostMax = 0;
  /** It was raised: the next allocation wakes kswapd (ZONE_BOOSTED_WATERMARK). */
  boostedWatermark = false;
  /** lowmem_reserve by the highest zone type of the request. */
  readonly lowmemReserve = [0, 0, 0, 0];
  /**
   * Blocks of the largest order never handed out yet: [untouchedStart, untouchedEnd), kept out of
   * the columns.
   */
  untouchedStart = 0;
  untouchedEnd = 0;
  /** Blocks whose free pages nobody gets (nr_isolate_pageblock). */
  isolatedPageblocks = 0;
  /** The range that a contiguous allocation has isolated for now, or null (alloc_contig_range). */
  contigRange: { readonly base: number; readonly pages: number } | null = null;
  /** Free pages in them: on MIGRATE_ISOLATE lists, not in `freePages`. */
  isolatedFree = 0;

  constructor(
    /** Index in `Nodes.zones`. */
    readonly index: number,
    readonly nid: number,
    /** ZONE_DMA … ZONE_MOVABLE. */
    readonly type: number,
    /** zone_start_pfn; moves by hotplug. */
    public base: number,
    public spannedPages: number,
  ) {}

  get name(): string {
    return ZONE_NAMES[this.type] ?? 'unknown';
  }

  /** Free pages, those in stock included. */
  get unusedPages(): number {
    return this.freePages + this.pcpPages;
  }

  /** What a CPU keeps of the zone. */
  pcp(cpu: number): PerCpuPages {
    const known = this.pcps[cpu];
    if (known !== undefined) return known;
    const made = new PerCpuPages(this);
    this.pcps[cpu] = made;
    return made;
  }

  /** Every CPU gives its stock back (drain_all_pages). */
  drainPages(): void {
    for (const pcp of this.pcps) pcp?.drain();
  }

  /** A watermark with the boost added (include/linux/mmzone.h:wmark_pages). */
  wmark(mark: number): number {
    return this.watermark[mark]! + this.watermarkBoost;
  }

  /**
   * Would `order` free pages leave the zone above `mark`, and is there such a block?
   * (mm/page_alloc.c:__zone_watermark_ok, order 0 exact)
   * @param allocFlags ALLOC_*: rights to what is kept apart
   */
  watermarkOk(order: number, mark: number, highestZone: number, allocFlags = 0): boolean {
    const reserved = (allocFlags & ALLOC_RESERVES) !== 0 ? 0 : this.freeHighatomic;
    const unusable = (1 << order) - 1 + reserved;
    if (this.freePages - unusable <= mark + this.lowmemReserve[highestZone]!) return false;
    if (order === 0) return true;
    if (this.untouchedEnd > this.untouchedStart) return true;
    const apart = (allocFlags & (ALLOC_HIGHATOMIC | ALLOC_OOM)) === 0 ? 1 : 0;
    for (let at = order; at <= MAX_PAGE_ORDER; at++) {
      if (this.freeBlocks[at]! > apart * this.apartBlocks[at]!) return true;
    }
    return false;
  }

  /** Sets the four marks; the boost goes (mm/page_alloc.c:__setup_per_zone_wmarks). */
  setWatermarks(min: number, step: number): void {
    this.watermark[WMARK_MIN] = min;
    this.watermark[WMARK_LOW] = min + step;
    this.watermark[WMARK_HIGH] = min + 2 * step;
    this.watermark[WMARK_PROMO] = min + 3 * step;
  }
}
