import { type PageTrace, slotCount } from '@mm-lab/workloads';

/** The trace's first rows: views of its columns, with the totals counted again. */
export function firstRows(trace: PageTrace, rowsMax: number): PageTrace {
  if (rowsMax >= trace.rows) return trace;
  const rows = Math.max(1, Math.floor(rowsMax));
  const ref = trace.ref.subarray(0, rows);
  const n = trace.n.subarray(0, rows);
  const seen = new Uint8Array(slotCount(trace));
  let accesses = 0;
  let pages = 0;
  for (let row = 0; row < rows; row++) {
    accesses += n[row]!;
    const slot = ref[row]! >> 1;
    if (seen[slot] === 1) continue;
    seen[slot] = 1;
    pages += 1;
  }
  const op = trace.op.subarray(0, rows);
  const t = trace.t.subarray(0, rows);
  return { ...trace, rows, accesses, pages, ref, n, op, t };
}
