import { N_MEMORY } from '../abi/node-states.js';
import type { Nodes } from './nodes.js';

/** Weights are scaled to this sum before they are divided (mm/mempolicy.c:weightiness). */
const WEIGHTINESS = 32;

/** Bandwidth of a node as interleaving counts it, MB/s; 0 = not known. */
export function interleaveBandwidth(nodes: Nodes, nid: number): number {
  const perf = nodes.pgdat(nid).perf;
  return perf === null ? 0 : Math.min(perf.read_bandwidth, perf.write_bandwidth);
}

/**
 * Weights of weighted interleave in auto mode, for each node with memory; all 1 when no bandwidth
 * is known (mm/mempolicy.c:reduce_interleave_weights).
 */
export function autoInterleaveWeights(nodes: Nodes): Map<number, number> {
  const nids = nodes.inState(N_MEMORY);
  const sum = nids.reduce((total, nid) => total + interleaveBandwidth(nodes, nid), 0);
  const scaled = nids.map((nid) => {
    if (sum === 0) return 1;
    return Math.max(1, Math.floor((WEIGHTINESS * interleaveBandwidth(nodes, nid)) / sum));
  });
  const divisor = scaled.reduce(greatestCommonDivisor, 0);
  return new Map(nids.map((nid, at) => [nid, scaled[at]! / divisor]));
}

function greatestCommonDivisor(a: number, b: number): number {
  let [large, small] = [Math.max(a, b), Math.min(a, b)];
  while (small > 0) [large, small] = [small, large % small];
  return large;
}
