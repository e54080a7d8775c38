import { ACCESS_LETTERS, type PageTrace, vpnOfRow } from '@mm-lab/workloads';

/** The rows as CSV lines, for snapshots and comparisons. */
export function rowsOf(trace: PageTrace): readonly string[] {
  return Array.from({ length: trace.rows }, (_, row) => {
    const letter = ACCESS_LETTERS[trace.op[row]!];
    return `${trace.t[row]},${vpnOfRow(trace, row)},${letter},${trace.n[row]}`;
  });
}
