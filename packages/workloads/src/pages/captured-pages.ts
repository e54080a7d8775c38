import { createHash } from 'node:crypto';
import { checkCount } from '../trace/check-option.js';
import type { BoundedPageData } from './bounded-page-data.js';
import { coreBytes, coreIndexOf, PAGE_BYTES } from './core-pages.js';
import { hash32, hashVpn } from './hash.js';
import type { PageCapture } from './page-capture.js';
import { SizeCache } from './size-cache.js';
import { SizeChooser } from './size-chooser.js';
import { PAGE_FILL } from './sizes-table.js';

/** Options of `capturedPages`. */
export interface CapturedPagesOptions {
  /** Any 32-bit integer; equal seeds give equal bytes. */
  readonly seed: number;
  /**
   * Different contents that one page takes on between two snapshots, as it is written; 1 to 64,
   * default 8.
   */
  readonly variants?: number;
  /**
   * Pages of memory that the capture does not know: so many get contents of their own. Default
   * 65,536.
   */
  readonly unknownPages?: number;
}

const VARIANTS = 8;
const VARIANTS_MAX = 64;
const UNKNOWN_PAGES = 65536;

/** Different words that fill same-filled pages. */
const SAME_WORDS = 16;

/** Values of `base` besides indexes of captured pages. */
const BASE_ZERO = -1;
const BASE_SAME = -2;

/**
 * Page contents of a recorded run.
 *
 * - A page of the core has its real bytes at the snapshot of the core, and at every other one where
 *   its recorded lz4 size is the same.
 * - Every other page has the bytes of the captured page whose lz4 size is nearest to the recorded
 *   one (ties by seed), with a few words changed, so that no two pages are equal by accident.
 * - Recorded zero pages are key 0, same-filled ones one of 16 repeated words.
 * - The nearest snapshot in time counts; where a page was not resident, the nearest one at which it
 *   was.
 * - A page that no snapshot knows behaves like a recorded page chosen by seed.
 * - Variant 0 of a page is unchanged, the others differ in a few words. Captured pages with equal
 *   bytes have equal keys.
 *
 * @throws TraceError TRACE_BAD_OPTION
 */
export function capturedPages(
  capture: PageCapture,
  options: CapturedPagesOptions,
): BoundedPageData {
  return new CapturedPages(capture, options);
}

class CapturedPages implements BoundedPageData {
  readonly keyCount: number;
  private readonly variants: number;
  private readonly unknownPages: number;
  private readonly snapshots: number;
  /** Row of `base` by page number. */
  private readonly indexOf = new Map<number, number>();
  /** By page index * snapshots + snapshot: index of the captured page, or a BASE_ value. */
  private readonly base: Int32Array;
  /**
   * By the same: place that names the contents, the earliest of the page at which they were the
   * same.
   */
  private readonly identity: Int32Array;
  /** By the same: 1 where variant 0 is a captured page unchanged. */
  private readonly exact: Uint8Array;
  /** By the same, where `exact`: the first place with equal bytes. */
  private readonly twin: Int32Array;
  private readonly vpns: readonly number[];
  /** First key of same-filled pages. */
  private readonly sameKeys: number;
  private readonly sizes: SizeCache;

  constructor(
    private readonly capture: PageCapture,
    private readonly options: CapturedPagesOptions,
  ) {
    const { variants = VARIANTS, unknownPages = UNKNOWN_PAGES } = options;
    this.variants = checkCount({ name: 'variants', value: variants, max: VARIANTS_MAX });
    this.unknownPages = checkCount({ name: 'unknownPages', value: unknownPages, max: 2 ** 22 });
    this.snapshots = capture.progress.length;
    const { vpn, rows } = capture.sizes;
    for (let row = 0; row < rows; row++) {
      if (!this.indexOf.has(vpn[row]!)) this.indexOf.set(vpn[row]!, this.indexOf.size);
    }
    this.vpns = [...this.indexOf.keys()];
    const places = this.vpns.length * this.snapshots;
    this.base = new Int32Array(places);
    this.identity = new Int32Array(places);
    this.exact = new Uint8Array(places);
    this.twin = new Int32Array(places);
    this.chooseBases();
    this.nameContents();
    this.sameKeys = 1 + (places + this.unknownPages * this.snapshots) * this.variants;
    this.keyCount = this.sameKeys + SAME_WORDS;
    checkCount({ name: 'the number of contents', value: this.keyCount, max: 2 ** 31 - 1 });
    this.sizes = new SizeCache(
      (key, out) => this.render(key, out),
      () => this.hashOfContents(),
    );
  }

  keyOf(vpn: number, version: number, progress: number): number {
    const snap = nearest(this.capture.progress, progress);
    const index = this.indexOf.get(vpn);
    const place = (index ?? this.modelOf(vpn)) * this.snapshots + snap;
    const base = this.base[place]!;
    if (base === BASE_ZERO) return 0;
    const variant = hash32(version, 0x5eed) % this.variants;
    if (base === BASE_SAME) return this.sameKeys + (hashVpn(variant, vpn) % SAME_WORDS);
    const identity =
      index === undefined
        ? this.base.length + (vpn % this.unknownPages) * this.snapshots + snap
        : this.identityOf(place, variant);
    return 1 + identity * this.variants + variant;
  }

  render(key: number, out: Uint8Array): void {
    if (key === 0) {
      out.fill(0);
      return;
    }
    if (key >= this.sameKeys) {
      fillWords(out, hash32(this.options.seed, key), hash32(key, this.options.seed));
      return;
    }
    const identity = Math.floor((key - 1) / this.variants);
    const variant = (key - 1) % this.variants;
    const known = identity < this.base.length;
    const place = known ? identity : this.modelPlace(identity - this.base.length);
    out.set(coreBytes(this.capture.core, this.base[place]!));
    if (known && variant === 0 && this.exact[identity] === 1) return;
    editWords(out, hash32(this.options.seed, key), key);
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

  /** Of what the bytes of a key follow from. */
  private hashOfContents(): string {
    const { core, coreSnap, sizes, progress } = this.capture;
    const hash = createHash('sha256');
    for (const column of [core.vpns, core.bytes, sizes.vpn, sizes.snap, sizes.fill, progress]) {
      hash.update(new Uint8Array(column.buffer, column.byteOffset, column.byteLength));
    }
    hash.update(Buffer.from(sizes.sizes.lz4.slice().buffer));
    const { seed } = this.options;
    hash.update([coreSnap, seed, this.variants, this.unknownPages].join(' '));
    return hash.digest('hex');
  }

  private identityOf(place: number, variant: number): number {
    return variant === 0 && this.exact[place] === 1 ? this.twin[place]! : this.identity[place]!;
  }

  /** Index of the recorded page that an unknown page behaves like. */
  private modelOf(vpn: number): number {
    return hash32(this.options.seed, vpn % this.unknownPages) % this.vpns.length;
  }

  private modelPlace(unknown: number): number {
    const snap = unknown % this.snapshots;
    const page = Math.floor(unknown / this.snapshots);
    return (hash32(this.options.seed, page) % this.vpns.length) * this.snapshots + snap;
  }

  private chooseBases(): void {
    const { sizes, core, coreSnap } = this.capture;
    const lz4 = sizes.sizes.lz4;
    const chooser = new SizeChooser(this.capture, this.options.seed);
    const rowOf = this.rowsByPlace();
    for (const [index, vpn] of this.vpns.entries()) {
      const own = coreIndexOf(core, vpn);
      for (let snap = 0; snap < this.snapshots; snap++) {
        const place = index * this.snapshots + snap;
        const row = rowOf[place]!;
        const isOwn = own >= 0 && (snap === coreSnap || chooser.sizeOf(own) === lz4[row]!);
        if (isOwn) this.base[place] = own;
        else if (sizes.fill[row] === PAGE_FILL.zero) this.base[place] = BASE_ZERO;
        else if (sizes.fill[row] === PAGE_FILL.same) this.base[place] = BASE_SAME;
        else this.base[place] = chooser.nearestTo(lz4[row]!, vpn);
        this.exact[place] = isOwn ? 1 : 0;
        if (isOwn && chooser.isZero(own)) this.base[place] = BASE_ZERO;
      }
    }
  }

  /**
   * Row of the sizes table by place; where a page was not resident, that of the nearest snapshot at
   * which it was.
   */
  private rowsByPlace(): Int32Array {
    const { sizes } = this.capture;
    const own = new Int32Array(this.base.length).fill(-1);
    for (let row = 0; row < sizes.rows; row++) {
      const index = this.indexOf.get(sizes.vpn[row]!);
      if (index !== undefined) own[index * this.snapshots + sizes.snap[row]!] = row;
    }
    const rows = own.slice();
    for (let place = 0; place < own.length; place++) {
      const snap = place % this.snapshots;
      for (let far = 1; rows[place]! < 0 && far < this.snapshots; far++) {
        const later = snap + far < this.snapshots ? own[place + far]! : -1;
        const earlier = snap - far >= 0 ? own[place - far]! : -1;
        rows[place] = later >= 0 ? later : earlier;
      }
    }
    return rows;
  }

  /** Gives one name to contents that stay, and to captured pages with equal bytes. */
  private nameContents(): void {
    const { core } = this.capture;
    const firstWith = new Map<string, number>();
    for (let place = 0; place < this.base.length; place++) {
      const base = this.base[place]!;
      const pageStart = place - (place % this.snapshots);
      let same = pageStart;
      while (this.base[same] !== base || this.exact[same] !== this.exact[place]) same++;
      this.identity[place] = same;
      if (base < 0 || this.exact[place] === 0) continue;
      const bytes = Buffer.from(coreBytes(core, base)).toString('latin1');
      const twin = firstWith.get(bytes) ?? place;
      firstWith.set(bytes, twin);
      this.twin[place] = twin;
    }
  }
}

/** Index of the snapshot nearest to `progress`; the earlier one of two. */
function nearest(snapshots: Float64Array, progress: number): number {
  let best = 0;
  for (let i = 1; i < snapshots.length; i++) {
    if (Math.abs(snapshots[i]! - progress) < Math.abs(snapshots[best]! - progress)) best = i;
  }
  return best;
}

/** Changes two 8-byte words: one becomes a name of the key, one byte of another moves a little. */
function editWords(out: Uint8Array, chance: number, key: number): void {
  const at = (chance & 511) * 8;
  out[at] = out[at]! ^ (key & 255);
  out[at + 1] = out[at + 1]! ^ ((key >>> 8) & 255);
  out[at + 2] = out[at + 2]! ^ ((key >>> 16) & 255) ^ 0x80;
  const other = ((chance >>> 9) & 511) * 8;
  if (other !== at) out[other] = out[other]! + 1 + ((chance >>> 18) & 15);
}

function fillWords(out: Uint8Array, low: number, high: number): void {
  const view = new DataView(out.buffer, out.byteOffset, PAGE_BYTES);
  for (let at = 0; at < PAGE_BYTES; at += 8) {
    view.setUint32(at, low, true);
    view.setUint32(at + 4, high, true);
  }
}
