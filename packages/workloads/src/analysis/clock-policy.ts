import { type PageTrace, slotCount } from '../trace/page-trace.js';
import { checkFrames } from './frames.js';

/** Options of `clockMisses`; none has a default, because the results depend on them. */
export interface ClockPolicyOptions {
  /**
   * Whether a page comes in with its referenced bit set. Only then CLOCK shows Belady's anomaly.
   */
  readonly insertReferenced: boolean;
}

/**
 * Misses of a CLOCK (second chance) memory with `frames` frames, each row being one reference. The
 * hand stays behind the frame that it filled last.
 *
 * @throws TraceError TRACE_BAD_OPTION unless `frames` is a whole number of at least 1
 */
export function clockMisses(trace: PageTrace, frames: number, options: ClockPolicyOptions): number {
  checkFrames(frames);
  const { ref, rows } = trace;
  const size = Math.min(frames, trace.pages);
  const frameOf = new Int32Array(slotCount(trace)).fill(-1);
  const page = new Int32Array(size).fill(-1);
  const referenced = new Uint8Array(size);
  const inserted = options.insertReferenced ? 1 : 0;
  let filled = 0;
  let hand = 0;
  let misses = 0;
  for (let row = 0; row < rows; row++) {
    const slot = ref[row]! >> 1;
    const hit = frameOf[slot]!;
    if (hit >= 0) {
      referenced[hit] = 1;
      continue;
    }
    misses++;
    let frame = filled;
    if (filled < size) {
      filled++;
    } else {
      while (referenced[hand] === 1) {
        referenced[hand] = 0;
        hand = hand + 1 === size ? 0 : hand + 1;
      }
      frame = hand;
      frameOf[page[frame]!] = -1;
      hand = hand + 1 === size ? 0 : hand + 1;
    }
    page[frame] = slot;
    frameOf[slot] = frame;
    referenced[frame] = inserted;
  }
  return misses;
}
