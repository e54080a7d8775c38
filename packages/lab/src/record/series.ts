/** Columns of samples over simulated time, all of one length. */
export interface SeriesRecord {
  /** Nanoseconds between two samples, after the last halving. */
  readonly intervalNs: number;
  /** Simulated time of each sample, in nanoseconds. */
  readonly time: readonly number[];
  /** Share of the workload played by then, 0..1. */
  readonly progress: readonly number[];
  /** Counters are cumulative, gauges are momentary; see `SERIES_COUNTERS`. */
  readonly columns: Readonly<Record<string, readonly number[]>>;
}

const POINTS_MAX = 400;
const INTERVAL_NS_START = 10_000;

/**
 * Samples at fixed simulated intervals without knowing how long the run will be: when full, every
 * second sample goes and the interval doubles, so a series always has between half and all of
 * `pointsMax` points, evenly spaced. `pointsMax` is even.
 */
export class Series {
  /** Nanoseconds between two samples. */
  intervalNs: number;
  private time: number[] = [];
  private progress: number[] = [];
  private readonly columns = new Map<string, number[]>();

  constructor(
    private readonly names: readonly string[],
    private readonly pointsMax = POINTS_MAX,
    intervalNsStart = INTERVAL_NS_START,
  ) {
    this.intervalNs = intervalNsStart;
    for (const name of names) this.columns.set(name, []);
  }

  /** Nanoseconds from `now` to the next sample. */
  delayFrom(now: number): number {
    return (Math.floor(now / this.intervalNs) + 1) * this.intervalNs - now;
  }

  /** Adds one sample; a name that is missing counts as 0. */
  push(now: number, progress: number, values: Readonly<Record<string, number>>): void {
    this.time.push(now);
    this.progress.push(progress);
    for (const name of this.names) this.columns.get(name)?.push(values[name] ?? 0);
    // At once, so that the next sample is already due at the longer interval.
    if (this.time.length >= this.pointsMax) this.halve();
  }

  finish(): SeriesRecord {
    return {
      intervalNs: this.intervalNs,
      time: this.time,
      progress: this.progress.map((share) => Number(share.toFixed(6))),
      columns: Object.fromEntries(this.columns),
    };
  }

  /** Keeps the samples at multiples of the doubled interval: the second of each pair. */
  private halve(): void {
    this.intervalNs *= 2;
    this.time = everySecond(this.time);
    this.progress = everySecond(this.progress);
    for (const [name, column] of this.columns) this.columns.set(name, everySecond(column));
  }
}

function everySecond(values: readonly number[]): number[] {
  return values.filter((_, index) => index % 2 === 1);
}
