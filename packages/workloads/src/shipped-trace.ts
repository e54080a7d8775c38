import { fileURLToPath } from 'node:url';
import { quoted, TraceError } from './trace/trace-error.js';

/** Names of the traces that come with this package. */
export const SHIPPED_TRACES = ['redis-kv', 'matmul-c', 'sort-text'] as const;

/** Name of a trace that comes with this package. */
export type ShippedTraceName = (typeof SHIPPED_TRACES)[number];

/** Paths of the files of one recorded run. */
export interface ShippedTrace {
  readonly name: ShippedTraceName;
  /** Page trace. */
  readonly trace: string;
  /** Address-space events. */
  readonly events: string;
  /** JSON description. */
  readonly description: string;
  /** Sample of page contents. */
  readonly core: string;
  /** Compressed sizes of all pages. */
  readonly sizes: string;
}

/**
 * The files of a trace that comes with this package.
 *
 * @throws TraceError TRACE_BAD_OPTION for an unknown name
 */
export function shippedTrace(name: string): ShippedTrace {
  const known = SHIPPED_TRACES.find((candidate) => candidate === name);
  if (known === undefined) {
    throw new TraceError('TRACE_BAD_OPTION', {
      what: `no trace called ${quoted(name)} comes with this package`,
      hint: `choose one of ${SHIPPED_TRACES.join(', ')}, or give a path`,
    });
  }
  const file = (ending: string) => dataFile(`${known}.${ending}`);
  return {
    name: known,
    trace: file('trace.csv.gz'),
    events: file('events.csv.gz'),
    description: file('json'),
    core: file('core.gz'),
    sizes: file('sizes.csv.gz'),
  };
}

/** Path of the short lackey recording that comes with this package: the start of sorting a text. */
export function shippedLackey(): string {
  return dataFile('lackey-sort.txt.gz');
}

/** The data folder lies beside both `src/` and `dist/`. */
function dataFile(name: string): string {
  return fileURLToPath(new URL(`../data/${name}`, import.meta.url));
}
