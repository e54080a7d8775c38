import type { OracleConfig } from '../experiment/experiment.js';
import { type LatencyHistogram, moveLatencies, quantileNs } from '../record/latency.js';
import { oraclePlacement } from '../record/oracle.js';
import type { SeriesRecord } from '../record/series.js';
import type { LoadedWorkload } from '../workload/loaded-workload.js';
import type { Played } from './variant-run.js';

/**
 * A run in which everything was near, with the cost of the oracle's placement on top: times and
 * latencies change, and the promotions that the placement needs are counted. Node occupancy is that
 * of the run underneath.
 */
export function pricedPlacement(
  played: Played,
  workload: LoadedWorkload,
  config: OracleConfig,
): Played {
  const placement = oraclePlacement(workload.trace, config);
  const latency = moveLatencies(played.latency, placement.moves);
  const { stats } = played;
  const accesses = stats['sim.accesses'] ?? 0;
  const extraMean = accesses === 0 ? 0 : placement.extraNs / accesses;
  const simNs = stats['sim.ns'] ?? 0;
  return {
    latency,
    recording: {
      ...played.recording,
      series: stretched(played.recording.series, simNs, simNs + placement.extraNs),
    },
    stats: {
      ...stats,
      'sim.ns': simNs + placement.extraNs,
      'access.ns.mean': (stats['access.ns.mean'] ?? 0) + extraMean,
      ...quantilesOf(latency),
      'migrate.promoted': placement.promoted,
      'migrate.demoted': placement.demoted,
    },
  };
}

function quantilesOf(latency: LatencyHistogram): Readonly<Record<string, number>> {
  return {
    'access.ns.p50': quantileNs(latency, 0.5),
    'access.ns.p99': quantileNs(latency, 0.99),
    'access.ns.p999': quantileNs(latency, 0.999),
  };
}

/** The extra time is spread evenly over the run: where it falls is not known. */
function stretched(series: SeriesRecord, fromNs: number, toNs: number): SeriesRecord {
  const factor = fromNs === 0 ? 1 : toNs / fromNs;
  return {
    ...series,
    intervalNs: series.intervalNs * factor,
    time: series.time.map((at) => Math.round(at * factor)),
  };
}
