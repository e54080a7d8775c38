import { type PageTrace, slotCount } from '../trace/page-trace.js';
import { checkFrames } from './frames.js';

/**
 * Misses of a FIFO memory with `frames` frames, each row being one reference. More frames may miss
 * more often (Belady's anomaly).
 *
 * @throws TraceError TRACE_BAD_OPTION unless `frames` is a whole number of at least 1
 */
export function fifoMisses(trace: PageTrace, frames: number): number {
  checkFrames(frames);
  const { ref, rows } = trace;
  const resident = new Uint8Array(slotCount(trace));
  const queue = new Int32Array(Math.min(frames, trace.pages)).fill(-1);
  let hand = 0;
  let misses = 0;
  for (let row = 0; row < rows; row++) {
    const slot = ref[row]! >> 1;
    if (resident[slot] === 1) continue;
    misses++;
    const victim = queue[hand]!;
    if (victim >= 0) resident[victim] = 0;
    queue[hand] = slot;
    resident[slot] = 1;
    hand = hand + 1 === queue.length ? 0 : hand + 1;
  }
  return misses;
}
