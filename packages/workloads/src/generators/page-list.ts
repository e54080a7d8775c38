import { checkCount } from '../trace/check-option.js';
import { ACCESS_KIND, type PageTrace, VPN_LIMIT } from '../trace/page-trace.js';
import { TraceBuilder } from '../trace/trace-builder.js';

/**
 * A trace of loads of the pages listed, one row each at t = 0, 1, 2 …: for textbook reference
 * strings.
 *
 * @param vpns virtual page numbers, 0 to 2^36 - 1
 * @throws TraceError TRACE_BAD_OPTION
 */
export function listTrace(vpns: readonly number[], name = 'list'): PageTrace {
  const builder = new TraceBuilder({ name, timeQuantum: 1, rowsExpected: vpns.length });
  for (const [row, vpn] of vpns.entries()) {
    checkCount({ name: 'a page number', value: vpn, min: 0, max: VPN_LIMIT - 1 });
    builder.add(row, vpn, ACCESS_KIND.read, 1);
  }
  return builder.build();
}
