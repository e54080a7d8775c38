import { type Clock, PAGE_SIZE } from '@mm-lab/mm-core';
import { DecompressionCache } from './decompression-cache.js';
import { DecompressionEngine } from './decompression-engine.js';
import { HostCache, type HostCacheOptions } from './host-cache.js';
import { LinkQueue } from './link-queue.js';

/** What lies between the host and the medium. */
export interface ReadPathSettings {
  /** Line of a page held compressed, in ns. */
  readonly lineNs: number;
  readonly bytesPerNs: number;
  readonly engineBytesPerNs: number;
  readonly cache: { readonly pages: number; readonly hitNs: number } | null;
  readonly linkQueue: boolean;
  readonly hostCache: Required<HostCacheOptions> | null;
}

/**
 * What a page or line takes on its way: the link, the pages kept expanded, the engine behind them.
 * A page is compressed here if it must be expanded: it is neither zero nor poisoned nor held raw.
 */
export class ReadPath {
  private readonly engine: DecompressionEngine;
  private readonly cache: DecompressionCache | null;
  private readonly link: LinkQueue | null;
  private readonly host: HostCache | null;

  constructor(
    clock: Clock,
    private readonly settings: ReadPathSettings,
  ) {
    const { cache, linkQueue, engineBytesPerNs, bytesPerNs, hostCache } = settings;
    this.engine = new DecompressionEngine(clock, engineBytesPerNs);
    this.cache = cache === null ? null : new DecompressionCache(cache.pages);
    this.link = linkQueue ? new LinkQueue(clock, bytesPerNs) : null;
    this.host = hostCache === null ? null : new HostCache(hostCache);
  }

  /** Does the time of a line depend on more than the device? */
  get seesLines(): boolean {
    return this.cache !== null || this.link !== null;
  }

  /** Time of a line of a page, in ns; a miss expands the page, which others then wait for. */
  lineNs(page: number, isCompressed: boolean): number {
    const waitNs = this.link?.line() ?? 0;
    const { cache, lineNs } = this.settings;
    if (cache === null) return waitNs + lineNs;
    const isMiss = isCompressed && this.cache?.use(page) === false;
    return waitNs + (isMiss ? this.engine.expandWaitNs() + lineNs : cache.hitNs);
  }

  /** Time in ns that a copy of the page to the host takes longer than its bytes take. */
  readPageNs(page: number, isCompressed: boolean): number {
    if (this.host?.copyOut(page) === false) return 0;
    const waitNs = this.link?.copy() ?? 0;
    if (!isCompressed || this.cache?.read(page) === true) return waitNs;
    return waitNs + this.engine.readPageNs();
  }

  /**
   * The same for a copy to the device. Lines that the host fetches to overwrite them come over the
   * link, too.
   * @param wasCompressed of what the page held before
   */
  writePageNs(page: number, wasCompressed: boolean): number {
    const waitNs = this.link?.copy() ?? 0;
    if (this.host?.copyIn(page) !== true) return waitNs;
    const fetchNs = (this.link?.copy() ?? 0) + PAGE_SIZE / this.settings.bytesPerNs;
    return waitNs + fetchNs + (wasCompressed ? this.engine.readPageNs() : 0);
  }

  /** The page has to be expanded no more. */
  drop(page: number): void {
    this.cache?.drop(page);
  }

  /** The page was zeroed or given up: what the host has of it is worth nothing. */
  forget(page: number): void {
    this.drop(page);
    this.host?.drop(page);
  }

  clear(): void {
    this.cache?.clear();
    this.host?.clear();
  }

  /** Counters for the results, by dotted name. */
  stats(): Readonly<Record<string, number>> {
    const engine = this.engine.stats();
    return {
      'device.engine.reads': engine.arrivals,
      'device.engine.utilisation': engine.utilisation,
      'device.engine.wait_ns.mean': engine.meanWaitNs,
      'device.engine.queue.mean': engine.meanInSystem,
      'device.cache_hits': this.cache?.hits ?? 0,
      'device.cache_misses': this.cache?.misses ?? 0,
      'device.cache_evictions': this.cache?.evictions ?? 0,
      'device.cache_pages': this.cache?.size ?? 0,
      'device.link.copies': this.link?.copies ?? 0,
      'device.link.lines': this.link?.lines ?? 0,
      'device.link.wait_ns': this.link?.waitNs ?? 0,
      'device.link.utilisation': this.link?.stats().utilisation ?? 0,
      ...this.host?.stats(),
    };
  }

  /** @param isCompressed of a page, as above */
  verify(isCompressed: (page: number) => boolean): void {
    this.engine.verify();
    this.link?.verify();
    this.cache?.verify(isCompressed);
  }
}
