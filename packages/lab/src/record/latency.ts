/** How many accesses took at most so long: bucket bounds and counts, both in order of time. */
export interface LatencyHistogram {
  /** Upper bound of each bucket, in nanoseconds, increasing. */
  readonly upperNs: readonly number[];
  /** Accesses in each bucket. */
  readonly count: readonly number[];
}

/** Accesses of one latency, moved to another: what an oracle changes. */
export interface LatencyMove {
  readonly fromNs: number;
  readonly toNs: number;
  readonly count: number;
}

/** Buckets that are empty say nothing: they are left out of what is stored. */
export function compactHistogram(histogram: LatencyHistogram): LatencyHistogram {
  const upperNs: number[] = [];
  const count: number[] = [];
  for (const [index, accesses] of histogram.count.entries()) {
    if (accesses <= 0) continue;
    upperNs.push(histogram.upperNs[index] ?? 0);
    count.push(accesses);
  }
  return { upperNs, count };
}

/** Latency that a share of the accesses does not exceed; 0 if there was no access. */
export function quantileNs(histogram: LatencyHistogram, share: number): number {
  let total = 0;
  for (const accesses of histogram.count) total += accesses;
  const wanted = total * share;
  let below = 0;
  for (const [index, accesses] of histogram.count.entries()) {
    below += accesses;
    if (accesses > 0 && below >= wanted) return histogram.upperNs[index] ?? 0;
  }
  return 0;
}

/**
 * The histogram with accesses added and taken away; a bucket is made for each latency not yet
 * there.
 */
export function moveLatencies(
  histogram: LatencyHistogram,
  moves: readonly LatencyMove[],
): LatencyHistogram {
  const byUpper = new Map<number, number>();
  for (const [index, upper] of histogram.upperNs.entries()) {
    byUpper.set(upper, (byUpper.get(upper) ?? 0) + (histogram.count[index] ?? 0));
  }
  const uppers = [...byUpper.keys()].sort((a, b) => a - b);
  for (const { fromNs, toNs, count } of moves) {
    const from = uppers.find((upper) => upper >= fromNs) ?? fromNs;
    const taken = Math.min(count, byUpper.get(from) ?? 0);
    byUpper.set(from, (byUpper.get(from) ?? 0) - taken);
    byUpper.set(toNs, (byUpper.get(toNs) ?? 0) + taken);
  }
  const ordered = [...byUpper].filter(([, count]) => count > 0).sort(([a], [b]) => a - b);
  return { upperNs: ordered.map(([upper]) => upper), count: ordered.map(([, count]) => count) };
}
