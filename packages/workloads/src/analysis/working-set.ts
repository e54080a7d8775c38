import type { PageTrace } from '../trace/page-trace.js';
import { nextUses } from './opt.js';

/** Mean size of Denning's working set for one window length. */
export interface WorkingSetPoint {
  /** Window length, in the trace's unit of time. */
  readonly window: number;
  /** Mean number of distinct pages used within the window before a moment. */
  readonly pages: number;
}

/**
 * Mean working-set size by window length, for windows of 1, 2, 4 … quanta up to the length of the
 * trace: one pass over the rows, because a reference keeps its page in the set until the window
 * ends or the page is used again.
 *
 * Simplified: a row counts at its own time only, although it stands for accesses of a whole window;
 * below the recorder's window the curve is therefore too low.
 */
export function workingSetCurve(trace: PageTrace): readonly WorkingSetPoint[] {
  const { rows, t, timeQuantum } = trace;
  if (rows === 0) return [];
  const start = t[0]!;
  const end = t[rows - 1]! + timeQuantum;
  const duration = end - start;
  const uses = nextUses(trace);
  const windows: number[] = [];
  for (let window = timeQuantum; window < duration; window *= 2) windows.push(window);
  windows.push(duration);
  const kept = windows.map(() => 0);
  for (let row = 0; row < rows; row++) {
    const use = uses[row]!;
    const gap = (use < rows ? t[use]! : end) - t[row]!;
    for (let i = 0; i < windows.length; i++) kept[i] = kept[i]! + Math.min(gap, windows[i]!);
  }
  return windows.map((window, i) => ({ window, pages: kept[i]! / duration }));
}
