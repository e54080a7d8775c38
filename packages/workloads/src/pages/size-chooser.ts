import { codecOf } from '../codec/codec.js';
import { TraceError } from '../trace/trace-error.js';
import { coreBytes } from './core-pages.js';
import { hashVpn } from './hash.js';
import type { PageCapture } from './page-capture.js';

/** Captured pages by their lz4 size. */
export class SizeChooser {
  private readonly lz4: Int32Array;
  /** Indexes of captured pages by ascending size, zero pages left out. */
  private readonly order: readonly number[];
  private readonly zero: Uint8Array;

  constructor(
    capture: PageCapture,
    private readonly seed: number,
  ) {
    const { core } = capture;
    const codec = codecOf('lz4');
    this.lz4 = new Int32Array(core.pages);
    this.zero = new Uint8Array(core.pages);
    for (let i = 0; i < core.pages; i++) {
      const bytes = coreBytes(core, i);
      this.lz4[i] = codec.compressedSize(bytes);
      this.zero[i] = bytes.every((byte) => byte === 0) ? 1 : 0;
    }
    const order = [...this.lz4.keys()].filter((i) => this.zero[i] === 0);
    this.order = order.sort((a, b) => this.lz4[a]! - this.lz4[b]! || a - b);
    if (order.length > 0) return;
    throw new TraceError('TRACE_EMPTY', {
      what: `the core of ${capture.name} holds zero pages only`,
    });
  }

  sizeOf(index: number): number {
    return this.lz4[index]!;
  }

  isZero(index: number): boolean {
    return this.zero[index] === 1;
  }

  /** The captured page with the nearest size; among equally near ones, one by seed and page. */
  nearestTo(size: number, vpn: number): number {
    const above = this.firstAtLeast(size);
    const sizeAbove = this.sizeAt(above);
    const sizeBelow = this.sizeAt(above - 1);
    const chance = hashVpn(this.seed, vpn);
    const takeAbove =
      sizeAbove - size === size - sizeBelow
        ? (chance & 1) === 0
        : sizeAbove - size < size - sizeBelow;
    const chosen = takeAbove ? sizeAbove : sizeBelow;
    const from = this.firstAtLeast(chosen);
    const to = this.firstAtLeast(chosen + 1);
    return this.order[from + ((chance >>> 1) % (to - from))]!;
  }

  private sizeAt(position: number): number {
    if (position < 0) return -Infinity;
    return position < this.order.length ? this.lz4[this.order[position]!]! : Infinity;
  }

  private firstAtLeast(size: number): number {
    let low = 0;
    let high = this.order.length;
    while (low < high) {
      const middle = (low + high) >> 1;
      if (this.lz4[this.order[middle]!]! < size) low = middle + 1;
      else high = middle;
    }
    return low;
  }
}
