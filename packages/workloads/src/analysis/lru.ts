import { type PageTrace, slotCount } from '../trace/page-trace.js';
import { checkFrames } from './frames.js';

/**
 * Misses of a fully associative LRU memory with `frames` frames, each row being one reference (`n`
 * is ignored). Gives exactly the numbers `reduced` of a trace's description when the trace was read
 * with `ops: 'all'`.
 *
 * @throws TraceError TRACE_BAD_OPTION unless `frames` is a whole number of at least 1
 */
export function lruMisses(trace: PageTrace, frames: number): number {
  checkFrames(frames);
  const { ref, rows } = trace;
  const slots = slotCount(trace);
  // A ring through the sentinel `slots`: its next is the most recent page, its previous the least.
  const next = new Int32Array(slots + 1).fill(-1);
  const previous = new Int32Array(slots + 1);
  next[slots] = slots;
  previous[slots] = slots;
  let resident = 0;
  let misses = 0;
  for (let row = 0; row < rows; row++) {
    const slot = ref[row]! >> 1;
    if (next[slots] === slot) continue;
    if (next[slot] === -1) {
      misses++;
      if (resident === frames) unlink(next, previous, previous[slots]!);
      else resident++;
    } else {
      unlink(next, previous, slot);
    }
    const first = next[slots]!;
    next[slot] = first;
    previous[slot] = slots;
    previous[first] = slot;
    next[slots] = slot;
  }
  return misses;
}

function unlink(next: Int32Array, previous: Int32Array, slot: number): void {
  const after = next[slot]!;
  const before = previous[slot]!;
  next[before] = after;
  previous[after] = before;
  next[slot] = -1;
}
