import { TraceError } from './trace-error.js';

/** Bounds of what a reader accepts, so that a wrong or hostile file cannot take all memory. */
export interface TraceLimits {
  /** Rows of a trace (17 bytes each), of a sizes table, or events. */
  readonly rowsMax: number;
  /** Distinct pages of a trace, or pages in a core (4096 bytes each). */
  readonly pagesMax: number;
}

/** Default limits: 67 million rows, 16 million pages (64 GiB of virtual memory). */
export const TRACE_LIMITS: TraceLimits = { rowsMax: 2 ** 26, pagesMax: 2 ** 24 };

/** Regions that a slot number has room for; no option raises it. */
export const REGIONS_MAX = 2 ** 21;

/**
 * Default limits with the caller's changes.
 *
 * @throws TraceError TRACE_BAD_OPTION for a limit that is not a whole number of at least 1
 */
export function limitsOf(changes: Partial<TraceLimits> = {}): TraceLimits {
  const limits = { ...TRACE_LIMITS, ...changes };
  for (const [name, value] of Object.entries(limits)) {
    if (Number.isSafeInteger(value) && value >= 1) continue;
    throw new TraceError('TRACE_BAD_OPTION', { what: `limit ${name} is ${value}` });
  }
  return limits;
}
