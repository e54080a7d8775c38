import { EINVAL, ENODEV } from '../abi/errno.js';
import { N_MEMORY } from '../abi/node-states.js';
import { createToken, inject, injectable } from '../base/di.js';
import { autoInterleaveWeights, interleaveBandwidth } from '../mem/interleave-weights.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';

/**
 * Weights of weighted interleave (mm/mempolicy.c:weighted_interleave_state): from the bandwidth of
 * the nodes, until somebody writes one.
 */
@injectable()
export class InterleaveWeights {
  private readonly seen = new Set<number>();
  private weights = new Map<number, number>();
  private auto = true;

  constructor(@inject(NodesToken) private readonly nodes: Nodes) {}

  /** Pages that a node gets in a round (get_il_weight). */
  weightOf(nid: number): number {
    return this.weights.get(nid) ?? 1;
  }

  /** Nodes may have got memory: what is new counts from now on (mempolicy_set_node_perf). */
  refresh(): void {
    const fresh = this.nodes.inState(N_MEMORY).filter((nid) => !this.seen.has(nid));
    if (fresh.length === 0) return;
    for (const nid of fresh) this.seen.add(nid);
    if (this.auto) this.weights = autoInterleaveWeights(this.nodes);
  }

  /** Writes nodeN: the other weights stay, and are not computed any more (node_store). */
  writeNode(nid: number, text: string): number {
    const weight = parseUnsigned(text);
    if (weight < 1 || weight > 255) return -EINVAL;
    this.auto = false;
    this.weights.set(nid, weight);
    return 0;
  }

  isAuto(): boolean {
    return this.auto;
  }

  /** Writes auto (weighted_interleave_auto_store). @returns 0, -EINVAL, -ENODEV */
  writeAuto(text: string): number {
    const on = parseBoolean(text);
    if (on === null) return -EINVAL;
    if (on && !this.knowsBandwidth()) return -ENODEV;
    this.auto = on;
    if (on) this.weights = autoInterleaveWeights(this.nodes);
    return 0;
  }

  private knowsBandwidth(): boolean {
    return this.nodes.inState(N_MEMORY).some((nid) => interleaveBandwidth(this.nodes, nid) > 0);
  }
}
export const InterleaveWeightsToken = createToken<InterleaveWeights>('InterleaveWeights');

/** kstrtou8 with any base: decimal, 0x…, 0…; -1 for what it refuses. */
function parseUnsigned(text: string): number {
  const digits = text.replace(/\n$/, '').replace(/^\+/, '');
  if (/^0x[\da-f]+$/i.test(digits)) return Number.parseInt(digits, 16);
  if (/^0[0-7]+$/.test(digits)) return Number.parseInt(digits, 8);
  return /^(?:0|[1-9]\d*)$/.test(digits) ? Number(digits) : -1;
}

/** kstrtobool: the first letters decide; null for what it refuses. */
function parseBoolean(text: string): boolean | null {
  if (/^(?:[yt1]|on)/i.test(text)) return true;
  return /^(?:[nf0]|of)/i.test(text) ? false : null;
}
