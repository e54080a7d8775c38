import { ACCESS_KIND, type PageTrace, REGION_PAGES } from './page-trace.js';
import { sharedFloat64, sharedInt32, sharedUint8 } from './shared-columns.js';
import { TraceError } from './trace-error.js';
import { limitsOf, REGIONS_MAX, type TraceLimits } from './trace-limits.js';

/** What a builder must know besides the rows. */
export interface TraceBuilderOptions {
  readonly name: string;
  /** Times of the rows are multiples of this; at least 1. */
  readonly timeQuantum: number;
  readonly limits?: Partial<TraceLimits>;
  /** Expected number of rows, to reserve memory. */
  readonly rowsExpected?: number;
  /** The file read, for error messages. */
  readonly file?: string;
}

/**
 * Collects rows into a `PageTrace`. Rows must come with `t` never decreasing and be checked by the
 * caller: vpn in 0..2^36-1, kind in 0..4, n in 1..2^31-1.
 */
export class TraceBuilder {
  rows = 0;
  pages = 0;
  private accesses = 0;
  private ref: Int32Array;
  private n: Int32Array;
  private op: Uint8Array;
  private t: Float64Array;
  private readonly limits: TraceLimits;
  private readonly regions: number[] = [];
  private readonly regionIndex = new Map<number, number>();
  /** One bit per slot: the page was seen. */
  private seen = new Int32Array(1024);
  private lastRegion = -1;
  private lastIndex = 0;

  constructor(private readonly options: TraceBuilderOptions) {
    const { timeQuantum } = options;
    if (!(timeQuantum >= 1 && Number.isFinite(timeQuantum))) {
      throw new TraceError('TRACE_BAD_OPTION', { what: `timeQuantum is ${timeQuantum}` });
    }
    this.limits = limitsOf(options.limits);
    const capacity = Math.min(this.limits.rowsMax, Math.max(16, options.rowsExpected ?? 65536));
    this.ref = new Int32Array(capacity);
    this.n = new Int32Array(capacity);
    this.op = new Uint8Array(capacity);
    this.t = new Float64Array(capacity);
  }

  /**
   * Appends one row.
   *
   * @param t time of the row
   * @param vpn virtual page number
   * @param kind number of `ACCESS_KIND`
   * @param n accesses that the row stands for
   * @throws TraceError TRACE_OVER_LIMIT naming the limit
   */
  add(t: number, vpn: number, kind: number, n: number): void {
    const row = this.rows;
    if (row === this.ref.length) this.grow();
    const region = Math.floor(vpn / REGION_PAGES);
    if (region !== this.lastRegion) this.lastIndex = this.indexOf(region);
    this.lastRegion = region;
    const slot = this.lastIndex * REGION_PAGES + (vpn % REGION_PAGES);
    const isWrite = kind === ACCESS_KIND.write || kind === ACCESS_KIND.kernelWrite;
    this.ref[row] = (slot << 1) | (isWrite ? 1 : 0);
    this.n[row] = n;
    this.op[row] = kind;
    this.t[row] = t;
    const bit = 1 << (slot & 31);
    const word = slot >> 5;
    if ((this.seen[word]! & bit) === 0) this.see(word, bit);
    this.accesses += n;
    this.rows = row + 1;
  }

  /** The trace of all rows added; the builder is not to be used afterwards. */
  build(): PageTrace {
    const { rows } = this;
    return {
      name: this.options.name,
      rows,
      accesses: this.accesses,
      pages: this.pages,
      regions: sharedFloat64(this.regions),
      ref: sharedInt32(this.ref.subarray(0, rows)),
      n: sharedInt32(this.n.subarray(0, rows)),
      op: sharedUint8(this.op.subarray(0, rows)),
      t: sharedFloat64(this.t.subarray(0, rows)),
      timeQuantum: this.options.timeQuantum,
    };
  }

  private see(word: number, bit: number): void {
    if (this.pages === this.limits.pagesMax) this.overLimit('pagesMax', this.limits.pagesMax);
    this.seen[word] = this.seen[word]! | bit;
    this.pages++;
  }

  private indexOf(region: number): number {
    const known = this.regionIndex.get(region);
    if (known !== undefined) return known;
    const index = this.regions.length;
    if (index === REGIONS_MAX) this.overLimit('regionsMax', REGIONS_MAX);
    this.regions.push(region);
    this.regionIndex.set(region, index);
    const words = (index + 1) * (REGION_PAGES / 32);
    if (words > this.seen.length) {
      const seen = new Int32Array(this.seen.length * 2);
      seen.set(this.seen);
      this.seen = seen;
    }
    return index;
  }

  private grow(): void {
    const { rowsMax } = this.limits;
    if (this.rows >= rowsMax) this.overLimit('rowsMax', rowsMax);
    const capacity = Math.min(rowsMax, this.ref.length * 2);
    this.ref = grown(this.ref, new Int32Array(capacity));
    this.n = grown(this.n, new Int32Array(capacity));
    this.op = grown(this.op, new Uint8Array(capacity));
    this.t = grown(this.t, new Float64Array(capacity));
  }

  private overLimit(limit: string, value: number): never {
    throw new TraceError('TRACE_OVER_LIMIT', {
      file: this.options.file,
      what: `the trace has more than ${value} ${limit.replace('Max', '')} (limit ${limit})`,
    });
  }
}

function grown<T extends Int32Array | Uint8Array | Float64Array>(from: T, to: T): T {
  to.set(from);
  return to;
}
