import { WMARK_HIGH, WMARK_LOW } from '../abi/zone.js';
import type { Zone } from './zone.js';

/** Most a refill grows by, as a shift of the batch (CONFIG_PCP_BATCH_SCALE_MAX). */
const PCP_BATCH_SCALE_MAX = 5;
const PCP_BATCH_PAGES_MAX = 64;
/** One in so many pages of a zone may be in stock on all CPUs together. */
export const MIN_PERCPU_PAGELIST_HIGH_FRACTION = 8;

/**
 * Single free pages that a CPU keeps of a zone (struct per_cpu_pages). They are free, but not
 * counted as such: NR_FREE_PAGES falls by a whole batch when a CPU stocks up.
 *
 * Simplified: only how many there are is kept. The pages themselves stay on the zone's free lists,
 * so which page a request gets, and of which migratetype, is the buddy allocator's choice; larger
 * orders are not kept.
 */
export class PerCpuPages {
  /** Pages in stock. */
  count = 0;
  private high = 0;
  private allocFactor = 0;
  private freeCount = 0;
  /** Pages that the last `take` gave: 0 or 1. */
  private taken = 0;

  constructor(private readonly zone: Zone) {}

  /** A page is to be taken off the free lists: stocks up if there is none (rmqueue_pcplist). */
  take(): void {
    const { zone } = this;
    this.freeCount >>= 1;
    if (this.count === 0) {
      const usable = Math.max(0, zone.freePages - zone.freeHighatomic);
      this.move(Math.min(this.refill(), usable));
    }
    this.taken = Math.min(1, this.count);
    this.move(-this.taken);
  }

  /** The page of the last `take` was none that the request may have. */
  untake(): void {
    this.move(this.taken);
    this.taken = 0;
  }

  /** A page came back to the free lists: it is in stock, unless there are too many. */
  give(): void {
    const { batch } = this.zone.pageset;
    this.allocFactor >>= 1;
    if (this.freeCount < batch << PCP_BATCH_SCALE_MAX) this.freeCount++;
    this.move(1);
    const high = this.highNow();
    if (this.count < high) return;
    const most = Math.max(batch, high - batch);
    this.move(-Math.min(this.count, Math.max(batch, Math.min(this.freeCount, most))));
  }

  /** Free pages of the zone are in stock when the machine starts. */
  stock(pages: number): void {
    this.move(pages);
  }

  /** Everything goes back (drain_pages_zone). */
  drain(): void {
    this.move(-this.count);
  }

  /** Pages to stock up with (nr_pcp_alloc). */
  private refill(): number {
    const { batch, highMin, highMax } = this.zone.pageset;
    if (batch === 1) return 1;
    const wanted = batch << this.allocFactor;
    this.high = Math.max(this.high, highMin);
    if (highMin !== highMax && !this.belowHigh()) this.high = Math.min(this.high + wanted, highMax);
    const most = Math.max(this.high - this.count - batch, batch);
    if (wanted <= most && this.allocFactor < PCP_BATCH_SCALE_MAX) this.allocFactor++;
    return Math.max(2, Math.min(wanted, most));
  }

  /** Stock at which pages are given back (nr_pcp_high). */
  private highNow(): number {
    const { batch, highMin, highMax } = this.zone.pageset;
    this.high = Math.max(this.high, highMin);
    const { high } = this;
    if (this.zone.reclaimActive) {
      this.high = Math.max(high - Math.max(this.freeCount, batch), highMin);
      return Math.min(batch << 2, this.high);
    }
    if (highMin === highMax) return high;
    if (this.belowHigh()) {
      this.high = Math.max(high - Math.max(this.freeCount, batch), highMin);
      return Math.max(this.count, highMin);
    }
    const needed = this.freeCount + batch;
    if (this.count >= high && high < needed) this.high = Math.min(needed, highMax);
    return high;
  }

  private belowHigh(): boolean {
    return this.zone.freePages <= this.zone.wmark(WMARK_HIGH);
  }

  /** Moves pages between the zone's count and the stock. */
  private move(pages: number): void {
    this.count += pages;
    this.zone.pcpPages += pages;
    this.zone.freePages -= pages;
  }
}

/** Limits of the stock of each CPU. */
export interface Pageset {
  readonly batch: number;
  readonly highMin: number;
  readonly highMax: number;
}

/** What the limits follow from. */
interface PagesetRule {
  /** Those of the zone's node, or all when it has none. */
  readonly cpus: number;
  /** vm.percpu_pagelist_high_fraction; 0 = limits between LOW and an eighth of the zone. */
  readonly fraction: number;
}

/** Limits of a zone (zone_batchsize, zone_highsize, zone_set_pageset_high_and_batch). */
export function pagesetOf(zone: Zone, { cpus, fraction }: PagesetRule): Pageset {
  const batch = batchSize(zone.managedPages);
  const share = (pages: number): number => Math.max(Math.floor(pages / cpus), 4 * batch);
  const part = Math.floor(zone.managedPages / (fraction || MIN_PERCPU_PAGELIST_HIGH_FRACTION));
  const least = fraction === 0 ? zone.watermark[WMARK_LOW]! : part;
  return { batch, highMin: share(least), highMax: share(part) };
}

/** A power of two less one, so that batches do not keep the step of the zone's blocks. */
function batchSize(managedPages: number): number {
  const pages = Math.min(managedPages >> 12, PCP_BATCH_PAGES_MAX);
  if (pages <= 1) return 1;
  return 2 ** Math.floor(Math.log2(pages + (pages >> 1))) - 1;
}
