import { type PageTrace, vpnOfRow } from '../trace/page-trace.js';
import { TraceBuilder } from '../trace/trace-builder.js';
import { TraceError } from '../trace/trace-error.js';

/**
 * The traces one after the other: each starts a quantum after the one before has ended. Equal page
 * numbers are equal pages. The time quantum is that of the parts, or 1 when they differ.
 *
 * @throws TraceError TRACE_BAD_OPTION without a trace
 */
export function concatTraces(traces: readonly PageTrace[], name = 'concatenated'): PageTrace {
  const first = traces[0];
  if (first === undefined) throw new TraceError('TRACE_BAD_OPTION', { what: 'no trace is given' });
  const isCommon = traces.every((trace) => trace.timeQuantum === first.timeQuantum);
  const rowsExpected = traces.reduce((sum, trace) => sum + trace.rows, 0);
  const timeQuantum = isCommon ? first.timeQuantum : 1;
  const builder = new TraceBuilder({ name, timeQuantum, rowsExpected });
  let start = 0;
  for (const trace of traces) {
    const offset = start - (trace.t[0] ?? 0);
    for (let row = 0; row < trace.rows; row++) {
      builder.add(trace.t[row]! + offset, vpnOfRow(trace, row), trace.op[row]!, trace.n[row]!);
    }
    start = (trace.t[trace.rows - 1] ?? 0) + offset + trace.timeQuantum;
  }
  return builder.build();
}
