import { assert, type Clock } from '@mm-lab/mm-core';

/** What the limbo has seen. */
export interface LimboStats {
  readonly pages: number;
  readonly peakPages: number;
  /** Time average since the machine was built. */
  readonly meanPages: number;
  /** Mean and longest time from the free of a page to its return to the allocator, in ns. */
  readonly reuseNsMean: number;
  readonly reuseNsMax: number;
}

/** Folios that are free for everybody but the driver, which has yet to scrub them. */
export class Limbo {
  private readonly since = new Map<number, { readonly atNs: number; readonly pages: number }>();
  private pages = 0;
  private peakPages = 0;
  private areaPageNs = 0;
  private settledNs = 0;
  private reused = 0;
  private reuseNsSum = 0;
  private reuseNsMax = 0;

  constructor(private readonly clock: Clock) {}

  add(folio: number, pages: number): void {
    assert(!this.since.has(folio), 'a folio is kept once');
    this.settle();
    this.since.set(folio, { atNs: this.clock.now, pages });
    this.pages += pages;
    this.peakPages = Math.max(this.peakPages, this.pages);
  }

  remove(folio: number): void {
    const entry = this.since.get(folio);
    assert(entry !== undefined, 'only a folio that is kept is given back');
    this.settle();
    this.since.delete(folio);
    this.pages -= entry.pages;
    const waitedNs = this.clock.now - entry.atNs;
    this.reused += entry.pages;
    this.reuseNsSum += entry.pages * waitedNs;
    this.reuseNsMax = Math.max(this.reuseNsMax, waitedNs);
  }

  folios(): Iterable<number> {
    return this.since.keys();
  }

  stats(): LimboStats {
    this.settle();
    return {
      pages: this.pages,
      peakPages: this.peakPages,
      meanPages: this.settledNs === 0 ? 0 : this.areaPageNs / this.settledNs,
      reuseNsMean: this.reused === 0 ? 0 : this.reuseNsSum / this.reused,
      reuseNsMax: this.reuseNsMax,
    };
  }

  private settle(): void {
    this.areaPageNs += this.pages * (this.clock.now - this.settledNs);
    this.settledNs = this.clock.now;
  }
}
