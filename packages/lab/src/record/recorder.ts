import type { Clock, Tracepoints } from '@mm-lab/mm-core';
import { EventLog, type EventTrack } from './event-log.js';
import { Series, type SeriesRecord } from './series.js';
import { seriesColumns } from './series-columns.js';

/** What the recorder needs of a machine; the adapter makes it. */
export interface Observed {
  readonly clock: Pick<Clock, 'now' | 'after'>;
  readonly tracepoints: Tracepoints;
  readonly nids: readonly number[];
  /** Momentary values and cumulative counters, by series column. */
  sample(): Readonly<Record<string, number>>;
  /** Share of the workload played, 0..1. */
  progress(): number;
}

/** What a run leaves to be drawn. */
export interface Recording {
  readonly series: SeriesRecord;
  readonly tracks: readonly EventTrack[];
}

/** Watches one machine: an actor on its clock that samples, and a listener of its tracepoints. */
export class Recorder {
  private readonly series: Series;
  private readonly log = new EventLog();
  /** Latest values of what is only told, never asked. */
  private readonly told = { pressure: 0, bytes: 0, capacity: 0 };
  private pending: { cancel(): void } | undefined;

  constructor(private readonly machine: Observed) {
    this.series = new Series(seriesColumns(machine.nids));
  }

  /** Takes the first sample and schedules the next. */
  start(): void {
    this.log.listen(this.machine.tracepoints);
    this.listen();
    this.take();
    this.schedule();
  }

  /**
   * Takes the last sample. Call it before the machine is drained: the sampler never ends by itself.
   */
  finish(): Recording {
    this.pending?.cancel();
    this.take();
    return { series: this.series.finish(), tracks: this.log.finish(this.machine.clock.now) };
  }

  private listen(): void {
    const { node_pressure, device_bytes } = this.machine.tracepoints;
    node_pressure.on((_now, _nid, pressure) => {
      this.told.pressure = pressure;
    });
    device_bytes.on((_now, _nid, physicalBytes, _logicalPages, capacityBytes) => {
      this.told.bytes = physicalBytes;
      this.told.capacity = capacityBytes;
    });
  }

  private schedule(): void {
    const { clock } = this.machine;
    this.pending = clock.after(this.series.delayFrom(clock.now), () => {
      this.take();
      this.schedule();
    });
  }

  private take(): void {
    const values = {
      ...this.machine.sample(),
      pressure: this.told.pressure,
      'device.physical_bytes': this.told.bytes,
      'device.capacity_bytes': this.told.capacity,
    };
    this.series.push(this.machine.clock.now, this.machine.progress(), values);
  }
}
