import { checkCount } from '../trace/check-option.js';

/**
 * Checks a number of frames.
 *
 * @throws TraceError TRACE_BAD_OPTION unless it is a whole number of at least 1
 */
export function checkFrames(frames: number): void {
  checkCount({ name: 'frames', value: frames, max: Number.MAX_SAFE_INTEGER });
}
