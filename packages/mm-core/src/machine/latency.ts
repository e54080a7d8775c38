/** Bins per factor of two: a percentile is within 2.2 % of the true value. */
const BINS_PER_OCTAVE = 32;
const BINS = 48 * BINS_PER_OCTAVE;

/**
 * A histogram of access latencies in nanoseconds, in logarithmic bins, weighted by number of
 * accesses.
 */
export class LatencyHistogram {
  private readonly bins = new Float64Array(BINS);
  /** Sum of the latencies in each bin: what falls in it is reported by its mean. */
  private readonly sums = new Float64Array(BINS);
  private count = 0;
  private sum = 0;

  /** Adds `n` accesses of `ns` each. */
  add(ns: number, n: number): void {
    if (n <= 0) return;
    const bin = binOf(ns);
    this.bins[bin]! += n;
    this.sums[bin]! += ns * n;
    this.count += n;
    this.sum += ns * n;
  }

  total(): number {
    return this.count;
  }

  mean(): number {
    return this.count === 0 ? 0 : this.sum / this.count;
  }

  /**
   * The latency that a share of the accesses does not exceed: centre of its bin. @param share 0..1
   */
  percentile(share: number): number {
    const wanted = share * this.count;
    let seen = 0;
    for (let bin = 0; bin < BINS; bin++) {
      seen += this.bins[bin]!;
      if (seen >= wanted && seen > 0) return this.meanOf(bin);
    }
    return 0;
  }

  /** Non-empty bins as [ns, accesses], ascending. */
  entries(): [ns: number, accesses: number][] {
    const list: [number, number][] = [];
    this.bins.forEach((accesses, bin) => {
      if (accesses > 0) list.push([this.meanOf(bin), accesses]);
    });
    return list;
  }

  private meanOf(bin: number): number {
    return this.sums[bin]! / this.bins[bin]!;
  }
}

function binOf(ns: number): number {
  const bin = Math.round(Math.log2(Math.max(1, ns)) * BINS_PER_OCTAVE);
  return Math.min(BINS - 1, bin);
}
