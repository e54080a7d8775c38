import { listTrace, type PageTrace, vpnOfRow } from '@mm-lab/workloads';

/** X1: shows Belady's anomaly under FIFO. */
export const BELADY = listTrace([1, 2, 3, 4, 1, 2, 5, 1, 2, 3, 4, 5]);

/** X2: the textbook string of 20 references. */
export const TEXTBOOK = listTrace([7, 0, 1, 2, 0, 3, 0, 4, 2, 3, 0, 3, 2, 1, 2, 0, 1, 7, 0, 1]);

/** X3: shows the anomaly again and again. */
export function anomaly(times: number): PageTrace {
  const once = [5, 6, 7, 8, 0, 1, 2, 3, 0, 1, 4, 0, 1, 2, 3, 4];
  return listTrace(Array.from({ length: times }, () => once).flat());
}

/** The page numbers of a trace in order. */
export function pagesOf(trace: PageTrace): readonly number[] {
  return Array.from({ length: trace.rows }, (_, row) => vpnOfRow(trace, row));
}
