import { type PageTrace, slotCount } from '../trace/page-trace.js';
import { checkFrames } from './frames.js';

/** How often each LRU stack distance occurs: the misses of every memory size at once (Mattson). */
export interface StackDistances {
  readonly rows: number;
  /** First references: misses at every size. */
  readonly cold: number;
  /** `counts[d]` references had stack distance d (1 = the page used last); index 0 is unused. */
  readonly counts: Float64Array;
}

/**
 * The LRU stack distances of a trace, each row being one reference: O(rows · log pages) with a tree
 * that counts the pages referenced since.
 */
export function stackDistances(trace: PageTrace): StackDistances {
  const { ref, rows, pages } = trace;
  const counts = new Float64Array(pages + 1);
  const stack = new RecencyTree(pages, slotCount(trace));
  let cold = 0;
  for (let row = 0; row < rows; row++) {
    const distance = stack.use(ref[row]! >> 1);
    if (distance === 0) cold++;
    else counts[distance] = counts[distance]! + 1;
  }
  return { rows, cold, counts };
}

/**
 * LRU misses of a memory with `frames` frames.
 *
 * @throws TraceError TRACE_BAD_OPTION unless `frames` is a whole number of at least 1
 */
export function missesAt(distances: StackDistances, frames: number): number {
  checkFrames(frames);
  const { counts, rows } = distances;
  let hits = 0;
  for (let d = Math.min(frames, counts.length - 1); d > 0; d--) hits += counts[d]!;
  return rows - hits;
}

/** LRU misses by number of frames: element f is for f frames, element 0 is the number of rows. */
export function missCurve(distances: StackDistances): Float64Array {
  const { counts, rows } = distances;
  const curve = new Float64Array(counts.length);
  let misses = rows;
  for (let f = 0; f < curve.length; f++) {
    misses -= counts[f]!;
    curve[f] = misses;
  }
  return curve;
}

/**
 * Pages by recency as a Fenwick tree over moments, of which each page holds its latest. When the
 * moments run out the pages are renumbered, so that the tree stays as small as the caches.
 */
class RecencyTree {
  private readonly size: number;
  private readonly tree: Int32Array;
  /** Latest moment by slot, 0 for none; moments count from 1. */
  private readonly momentOf: Int32Array;
  /** Slot by moment, -1 where the page has a later one. */
  private readonly slotAt: Int32Array;
  private now = 0;
  private live = 0;

  constructor(pages: number, slotLimit: number) {
    this.size = 2 ** Math.ceil(Math.log2(Math.max(64, pages * 4)));
    this.tree = new Int32Array(this.size + 1);
    this.slotAt = new Int32Array(this.size + 1).fill(-1);
    this.momentOf = new Int32Array(slotLimit);
  }

  /** Makes a page the most recent. Returns its stack distance before, 0 for a new page. */
  use(slot: number): number {
    if (this.now === this.size) this.renumber();
    const before = this.momentOf[slot]!;
    let distance = 0;
    if (before > 0) {
      distance = this.live - this.countUpTo(before) + 1;
      this.add(before, -1);
      this.slotAt[before] = -1;
    } else {
      this.live++;
    }
    this.now++;
    this.momentOf[slot] = this.now;
    this.slotAt[this.now] = slot;
    this.add(this.now, 1);
    return distance;
  }

  private countUpTo(moment: number): number {
    let sum = 0;
    for (let i = moment; i > 0; i -= i & -i) sum += this.tree[i]!;
    return sum;
  }

  private add(moment: number, by: number): void {
    for (let i = moment; i <= this.size; i += i & -i) this.tree[i] = this.tree[i]! + by;
  }

  private renumber(): void {
    let moment = 0;
    for (let i = 1; i <= this.size; i++) {
      const slot = this.slotAt[i]!;
      if (slot < 0) continue;
      this.slotAt[i] = -1;
      moment++;
      this.slotAt[moment] = slot;
      this.momentOf[slot] = moment;
    }
    this.now = moment;
    this.tree.fill(0);
    for (let i = 1; i <= this.size; i++) {
      this.tree[i] = this.tree[i]! + (i <= moment ? 1 : 0);
      const parent = i + (i & -i);
      if (parent <= this.size) this.tree[parent] = this.tree[parent]! + this.tree[i]!;
    }
  }
}
