import { codecOf } from '../codec/codec.js';
import { PAGE_BYTES } from './core-pages.js';
import { hash32 } from './hash.js';

/**
 * A page is painted in so many equal units, so that blocks of 512 bytes and more compress alike.
 */
const UNITS = 8;
const UNIT_BYTES = PAGE_BYTES / UNITS;

/** Every painted page has at least so many random bytes: they make it differ from every other. */
const RANDOM_BYTES_MIN = 8;
const CALIBRATION_STEP = 32;

/** 64 bytes, so that the text continues across units at one distance. */
const TEXT = new TextEncoder().encode(
  'the quick brown page jumps over the lazy node, and faults again.',
);

/**
 * Paints pages of a chosen compression ratio: each unit begins with random bytes and goes on with
 * repeated text. How many random bytes give which size is measured with lz4, once.
 */
export class PagePainter {
  /** lz4 size by number of random bytes in steps of `CALIBRATION_STEP`, ascending. */
  private readonly sizes: readonly number[];
  private readonly words = new Uint32Array(PAGE_BYTES / 4);
  private readonly random = new Uint8Array(this.words.buffer);

  constructor(private readonly seed: number) {
    const page = new Uint8Array(PAGE_BYTES);
    const codec = codecOf('lz4');
    const sizes: number[] = [];
    for (let bytes = 0; bytes <= PAGE_BYTES; bytes += CALIBRATION_STEP) {
      this.paint(page, { key: bytes, randomBytes: Math.max(RANDOM_BYTES_MIN, bytes) });
      sizes.push(Math.max(sizes.at(-1) ?? 0, Math.min(PAGE_BYTES, codec.compressedSize(page))));
    }
    this.sizes = sizes;
  }

  /** Random bytes that a page needs to compress (lz4, whole page) to about 4096 / ratio bytes. */
  randomBytesFor(ratio: number): number {
    const size = PAGE_BYTES / ratio;
    const { sizes } = this;
    const above = sizes.findIndex((measured) => measured >= size);
    if (above < 0 || ratio <= 1) return PAGE_BYTES;
    if (above === 0) return RANDOM_BYTES_MIN;
    const low = sizes[above - 1]!;
    const part = (size - low) / (sizes[above]! - low);
    return Math.max(RANDOM_BYTES_MIN, Math.round((above - 1 + part) * CALIBRATION_STEP));
  }

  /** Writes the page `key` with so many random bytes. */
  paint(out: Uint8Array, page: { readonly key: number; readonly randomBytes: number }): void {
    this.drawRandom(page.key, page.randomBytes);
    const perUnit = Math.floor(page.randomBytes / UNITS);
    const extra = page.randomBytes - perUnit * UNITS;
    let drawn = 0;
    for (let unit = 0; unit < UNITS; unit++) {
      const count = perUnit + (unit < extra ? 1 : 0);
      const start = unit * UNIT_BYTES;
      out.set(this.random.subarray(drawn, drawn + count), start);
      drawn += count;
      for (let i = count; i < UNIT_BYTES; i++) out[start + i] = TEXT[i % TEXT.length]!;
    }
  }

  private drawRandom(key: number, bytes: number): void {
    let state = hash32(this.seed, key) | 1;
    const count = Math.ceil(bytes / 4);
    for (let i = 0; i < count; i++) {
      // xorshift32 (Marsaglia 2003): quick, and random enough for a compressor.
      state ^= state << 13;
      state ^= state >>> 17;
      state ^= state << 5;
      this.words[i] = state;
    }
  }
}
