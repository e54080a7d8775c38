import { checkCount, checkRange } from '../trace/check-option.js';
import type { BoundedPageData } from './bounded-page-data.js';
import { hash32, hashUnit } from './hash.js';
import { PagePainter } from './page-painter.js';
import {
  checkDistribution,
  RATIO_MAX,
  type RatioDistribution,
  ratioOf,
} from './ratio-distribution.js';
import { SizeCache } from './size-cache.js';

/** Options of `syntheticPages`. */
export interface SyntheticPagesOptions {
  /** Any 32-bit integer; equal seeds give equal bytes. */
  readonly seed: number;
  /** Target ratios, as lz4 sees whole pages. */
  readonly ratio: RatioDistribution;
  /** Share of the pages that stay zero, 0 to 1; default 0. */
  readonly zeroShare?: number;
  /** Different contents that one page takes on as it is written; 1 to 64, default 8. */
  readonly variants?: number;
  /**
   * Pages with contents of their own: page numbers equal modulo this share theirs. Default 262,144
   * (1 GiB).
   */
  readonly pages?: number;
}

/** Options of `driftingPages`. */
export interface DriftingPagesOptions extends SyntheticPagesOptions {
  /** Ratio that drifting pages have from `end` on. */
  readonly toRatio: number;
  /**
   * Progress (0..1) at which drifting pages leave their own ratio, and at which they arrive at
   * `toRatio`.
   */
  readonly start: number;
  readonly end: number;
  /** Share of the pages that drift, 0 to 1. */
  readonly pageShare: number;
}

const VARIANTS = 8;
const PAGES = 2 ** 18;

/** Steps of a drift. */
const STAGES = 16;

/**
 * Made-up page contents with ratios of a distribution. Each page keeps its ratio; each write gives
 * new bytes.
 *
 * @throws TraceError TRACE_BAD_OPTION
 */
export function syntheticPages(options: SyntheticPagesOptions): BoundedPageData {
  return new SyntheticPages({ ...options, toRatio: 1, start: 1, end: 1, pageShare: 0 }, 1);
}

/**
 * Made-up page contents whose ratio changes while the program writes: a share of the pages goes in
 * 16 steps from its own ratio to `toRatio`: 1 for contents that turn incompressible. Pages written
 * before keep their bytes: only a write at a later progress has another key.
 *
 * @throws TraceError TRACE_BAD_OPTION
 */
export function driftingPages(options: DriftingPagesOptions): BoundedPageData {
  return new SyntheticPages(options, STAGES);
}

class SyntheticPages implements BoundedPageData {
  readonly keyCount: number;
  private readonly variants: number;
  private readonly pages: number;
  private readonly zeroShare: number;
  private readonly painter: PagePainter;
  private readonly sizes: SizeCache;

  constructor(
    private readonly options: DriftingPagesOptions,
    private readonly stages: number,
  ) {
    const { variants = VARIANTS, pages = PAGES, zeroShare = 0 } = options;
    checkDistribution(options.ratio);
    this.variants = checkCount({ name: 'variants', value: variants, max: 64 });
    this.pages = checkCount({ name: 'pages', value: pages, max: 2 ** 24 });
    this.zeroShare = checkRange({ name: 'zeroShare', value: zeroShare, min: 0, max: 1 });
    checkRange({ name: 'toRatio', value: options.toRatio, min: 1, max: RATIO_MAX });
    checkRange({ name: 'start', value: options.start, min: 0, max: 1 });
    checkRange({ name: 'end', value: options.end, min: options.start, max: 1 });
    checkRange({ name: 'pageShare', value: options.pageShare, min: 0, max: 1 });
    this.keyCount = 1 + pages * stages * variants;
    checkCount({ name: 'the number of contents', value: this.keyCount, max: 2 ** 31 - 1 });
    this.painter = new PagePainter(options.seed);
    this.sizes = new SizeCache(
      (key, out) => this.render(key, out),
      () => JSON.stringify({ ...options, variants, pages, zeroShare, stages }),
    );
  }

  keyOf(vpn: number, version: number, progress: number): number {
    const page = vpn % this.pages;
    if (this.chanceOf(page, ZERO) < this.zeroShare) return 0;
    const variant = hash32(version, 0x5eed) % this.variants;
    return 1 + (page * this.stages + this.stageOf(page, progress)) * this.variants + variant;
  }

  render(key: number, out: Uint8Array): void {
    if (key === 0) {
      out.fill(0);
      return;
    }
    const place = Math.floor((key - 1) / this.variants);
    const page = Math.floor(place / this.stages);
    const ratio = this.ratioAt(page, place % this.stages);
    this.painter.paint(out, { key, randomBytes: this.painter.randomBytesFor(ratio) });
  }

  compressedSize(key: number, codec: string, blockBytes: number): number {
    return this.sizes.sizeOf(key, codec, blockBytes);
  }

  savedSizes(codec: string, blockBytes: number): Uint8Array {
    return this.sizes.saved(codec, blockBytes);
  }

  restoreSizes(codec: string, blockBytes: number, saved: Uint8Array): number {
    return this.sizes.restore(codec, blockBytes, saved);
  }

  blockSizes(key: number, codec: string, blockBytes: number): readonly number[] {
    return this.sizes.blocksOf(key, codec, blockBytes);
  }

  private stageOf(page: number, progress: number): number {
    const { start, end, pageShare } = this.options;
    if (this.stages === 1 || progress < start) return 0;
    if (this.chanceOf(page, DRIFT) >= pageShare) return 0;
    if (progress >= end) return this.stages - 1;
    return Math.floor(((progress - start) / (end - start)) * this.stages);
  }

  private ratioAt(page: number, stage: number): number {
    const own = ratioOf(this.options.ratio, this.options.seed, page);
    if (stage === 0) return own;
    return own + ((this.options.toRatio - own) * stage) / (this.stages - 1);
  }

  private chanceOf(page: number, purpose: number): number {
    return hashUnit(hash32(this.options.seed, purpose), page);
  }
}

/** Purposes of chance, so that one does not predict the other. */
const ZERO = 1;
const DRIFT = 2;
