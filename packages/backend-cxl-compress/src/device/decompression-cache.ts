import { assert, type OptionCheck } from '@mm-lab/mm-core';

/** Pages that the device keeps expanded. */
export interface CacheOptions {
  /** Pages that it has room for, 1..2^20. */
  readonly pages: number;
  /**
   * Line of a page that is kept, in ns, at most `lineNs`. Default `cxlLine` of the machine's cost
   * table, or `lineNs` if that is less.
   */
  readonly hitNs?: number;
}

const PAGES_MAX = 1 << 20;

/** @throws MmError DEVICE_BAD_OPTION */
export function checkCache(check: OptionCheck, options: CacheOptions, lineNs?: number): void {
  check.known(options, ['pages', 'hitNs']);
  check.integer('cache.pages', options.pages, [1, PAGES_MAX]);
  const slowestNs = lineNs ?? Number.MAX_VALUE;
  check.number('cache.hitNs', options.hitNs ?? Math.min(1, slowestNs), [
    Number.MIN_VALUE,
    slowestNs,
  ]);
}

/**
 * Pages kept expanded beside the compressed medium, the least recently used first to go (cost model
 * 1.2: expand on access). Simplified: their room does not come off the capacity, the compressed
 * copy stays, and a page that goes is not compressed again, because every store was compressed when
 * it came.
 */
export class DecompressionCache {
  hits = 0;
  misses = 0;
  evictions = 0;
  /** Oldest first: a Set keeps the order in which it was filled. */
  private readonly kept = new Set<number>();

  constructor(private readonly pages: number) {}

  get size(): number {
    return this.kept.size;
  }

  /** A line of the page is used, and the page is kept from now on. @returns was it before? */
  use(page: number): boolean {
    const isHit = this.kept.delete(page);
    this.count(isHit);
    this.kept.add(page);
    if (this.kept.size > this.pages) this.evict();
    return isHit;
  }

  /** The page is read as a whole: it is about to leave, so nothing more is kept. @returns is it? */
  read(page: number): boolean {
    const isHit = this.kept.has(page);
    this.count(isHit);
    return isHit;
  }

  /** The page is given up, lost or zero. */
  drop(page: number): void {
    this.kept.delete(page);
  }

  clear(): void {
    this.kept.clear();
  }

  /** @param isCompressed does the medium hold bytes of the page that have to be expanded? */
  verify(isCompressed: (page: number) => boolean): void {
    assert(this.kept.size <= this.pages, 'a cache keeps no more pages than it has room for');
    for (const page of this.kept) assert(isCompressed(page), 'a page that is kept is stored');
  }

  private count(isHit: boolean): void {
    if (isHit) this.hits += 1;
    else this.misses += 1;
  }

  private evict(): void {
    const [oldest] = this.kept;
    if (oldest === undefined) return;
    this.kept.delete(oldest);
    this.evictions += 1;
  }
}
