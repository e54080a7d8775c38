import type { EventTrack } from './event-log.js';
import type { SeriesRecord } from './series.js';
import { COUNTERS_IN_TRACE } from './series-columns.js';

/** What one variant contributes to the trace file. */
export interface TracedVariant {
  readonly name: string;
  readonly series: SeriesRecord;
  readonly tracks: readonly EventTrack[];
}

/**
 * One entry of the Trace Event Format (Chrome's JSON, which Perfetto opens). Times in microseconds.
 */
export interface TraceEvent {
  readonly ph: 'M' | 'C' | 'X' | 'i';
  readonly name: string;
  readonly pid: number;
  readonly tid: number;
  readonly ts?: number;
  readonly dur?: number;
  readonly s?: 't';
  readonly args?: Readonly<Record<string, string | number>>;
}

/** The whole file. */
export interface TraceFile {
  readonly displayTimeUnit: 'ns';
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly traceEvents: readonly TraceEvent[];
}

/** One process per variant, one thread per actor, a counter track per series. */
export function traceFileOf(experiment: string, variants: readonly TracedVariant[]): TraceFile {
  const sampling: Record<string, string> = {};
  for (const variant of variants) {
    for (const track of variant.tracks) {
      if (track.stride === 1) continue;
      sampling[`${variant.name}: ${track.name}`] =
        `one event in ${track.stride} of ${track.seen} is kept`;
    }
  }
  return {
    displayTimeUnit: 'ns',
    metadata: {
      experiment,
      clock: 'simulated time',
      counters: 'sampled at fixed simulated intervals',
      sampling,
    },
    traceEvents: variants.flatMap((variant, index) => eventsOf(variant, index + 1)),
  };
}

function eventsOf(variant: TracedVariant, pid: number): readonly TraceEvent[] {
  const events: TraceEvent[] = [
    { ph: 'M', name: 'process_name', pid, tid: 0, args: { name: variant.name } },
    { ph: 'M', name: 'process_sort_index', pid, tid: 0, args: { sort_index: pid } },
  ];
  for (const [index, track] of variant.tracks.entries()) {
    const tid = index + 1;
    events.push({ ph: 'M', name: 'thread_name', pid, tid, args: { name: track.name } });
    for (const { at, durationNs, name, args } of track.events) {
      const event = { name, pid, tid, ts: at / 1000, args };
      events.push(
        durationNs === undefined
          ? { ph: 'i', s: 't', ...event }
          : { ph: 'X', dur: durationNs / 1000, ...event },
      );
    }
  }
  return [...events, ...countersOf(variant.series, pid)];
}

/** A counter event only where the value changes: a flat line needs no points. */
function countersOf(series: SeriesRecord, pid: number): readonly TraceEvent[] {
  const events: TraceEvent[] = [];
  for (const [column, values] of Object.entries(series.columns)) {
    const name = COUNTERS_IN_TRACE.find(({ matches }) => matches.test(column));
    if (name === undefined) continue;
    let last: number | undefined;
    for (const [index, value] of values.entries()) {
      if (value === last) continue;
      last = value;
      const ts = (series.time[index] ?? 0) / 1000;
      events.push({ ph: 'C', name: column, pid, tid: 0, ts, args: { [name.unit]: value } });
    }
  }
  return events;
}
