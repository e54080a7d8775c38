import { ACCESS_KIND, ACCESS_LETTERS, type PageTrace, slotCount } from '../trace/page-trace.js';
import { TraceError } from '../trace/trace-error.js';
import { type WorkingSetPoint, workingSetCurve } from './working-set.js';

/** Rows and accesses of one kind. */
export interface KindCount {
  /** `I`, `R`, `W`, `r` or `w`. */
  readonly letter: string;
  readonly rows: number;
  readonly accesses: number;
}

/** What `mm-lab trace info` shows. */
export interface TraceSummary {
  readonly name: string;
  readonly rows: number;
  readonly accesses: number;
  readonly byKind: readonly KindCount[];
  /** Distinct pages. */
  readonly pages: number;
  /** Distinct pages written by a store or by the kernel. */
  readonly pagesWritten: number;
  /** Stores by the program / (loads + stores by the program); 0 without either. */
  readonly writeShare: number;
  /** Regions of 512 pages that the trace touches. */
  readonly regions: number;
  /** Time of the first and of the last row. */
  readonly timeFirst: number;
  readonly timeLast: number;
  readonly timeQuantum: number;
  readonly windows: WindowSummary;
  readonly workingSet: readonly WorkingSetPoint[];
}

/** Distinct pages per window of `length`; windows without a row count as empty. */
export interface WindowSummary {
  /** Length of a window, in the trace's unit of time. */
  readonly length: number;
  readonly count: number;
  readonly pagesMean: number;
  readonly pagesMax: number;
}

const QUANTA_PER_WINDOW = 32;

/** Options of `traceSummary`. */
export interface SummaryOptions {
  /** Length of a window in the trace's unit of time; default 32 quanta, as the recorder cuts. */
  readonly windowLength?: number;
}

/**
 * Counts a trace; O(rows).
 *
 * @throws TraceError TRACE_BAD_OPTION for a window length of 0 or less
 */
export function traceSummary(trace: PageTrace, options: SummaryOptions = {}): TraceSummary {
  const length = options.windowLength ?? trace.timeQuantum * QUANTA_PER_WINDOW;
  if (!(length > 0))
    throw new TraceError('TRACE_BAD_OPTION', { what: `windowLength is ${length}` });
  const { rows, t } = trace;
  const byKind = countKinds(trace);
  const loads = byKind[ACCESS_KIND.read]?.accesses ?? 0;
  const stores = byKind[ACCESS_KIND.write]?.accesses ?? 0;
  return {
    name: trace.name,
    rows,
    accesses: trace.accesses,
    byKind,
    pages: trace.pages,
    pagesWritten: countWritten(trace),
    writeShare: stores === 0 ? 0 : stores / (loads + stores),
    regions: trace.regions.length,
    timeFirst: t[0] ?? 0,
    timeLast: t[rows - 1] ?? 0,
    timeQuantum: trace.timeQuantum,
    windows: countWindows(trace, length),
    workingSet: workingSetCurve(trace),
  };
}

function countKinds(trace: PageTrace): readonly KindCount[] {
  const rows = [0, 0, 0, 0, 0];
  const accesses = [0, 0, 0, 0, 0];
  for (let row = 0; row < trace.rows; row++) {
    const kind = trace.op[row]!;
    rows[kind] = rows[kind]! + 1;
    accesses[kind] = accesses[kind]! + trace.n[row]!;
  }
  return [...ACCESS_LETTERS].map((letter, kind) => ({
    letter,
    rows: rows[kind]!,
    accesses: accesses[kind]!,
  }));
}

function countWritten(trace: PageTrace): number {
  const written = new Uint8Array(slotCount(trace));
  let pages = 0;
  for (let row = 0; row < trace.rows; row++) {
    const ref = trace.ref[row]!;
    if ((ref & 1) === 0 || written[ref >> 1] === 1) continue;
    written[ref >> 1] = 1;
    pages++;
  }
  return pages;
}

function countWindows(trace: PageTrace, length: number): WindowSummary {
  const { rows, t } = trace;
  const countedIn = new Float64Array(slotCount(trace)).fill(-1);
  let window = -1;
  let pages = 0;
  let pagesSum = 0;
  let pagesMax = 0;
  for (let row = 0; row < rows; row++) {
    const now = Math.floor(t[row]! / length);
    if (now !== window) {
      window = now;
      pages = 0;
    }
    const slot = trace.ref[row]! >> 1;
    if (countedIn[slot] === now) continue;
    countedIn[slot] = now;
    pagesSum++;
    pages++;
    pagesMax = Math.max(pagesMax, pages);
  }
  const count = rows === 0 ? 0 : window - Math.floor(t[0]! / length) + 1;
  return { length, count, pagesMean: count === 0 ? 0 : pagesSum / count, pagesMax };
}
