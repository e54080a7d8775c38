import type { Tracepoints } from '@mm-lab/mm-core';
import { Thinned } from './thinned.js';

/** A moment, or a stretch if it has a duration; times in simulated nanoseconds. */
export interface LoggedEvent {
  readonly at: number;
  readonly durationNs?: number;
  readonly name: string;
  readonly args: Readonly<Record<string, number>>;
}

/** The events of one actor, thinned to a bound. */
export interface EventTrack {
  readonly name: string;
  /** Events that happened. */
  readonly seen: number;
  /** One in so many is kept. */
  readonly stride: number;
  readonly events: readonly LoggedEvent[];
}

const EVENTS_PER_TRACK_MAX = 1000;

/**
 * Listens to the tracepoints that belong on a time line: bounded, and the same for the same run.
 */
export class EventLog {
  private readonly tracks = new Map<string, Thinned<LoggedEvent>>();
  private readonly kswapdWokeAt = new Map<number, number>();

  constructor(private readonly eventsMax = EVENTS_PER_TRACK_MAX) {}

  listen(tracepoints: Tracepoints): void {
    this.listenToKswapd(tracepoints);
    this.listenToMigration(tracepoints);
    this.listenToDevice(tracepoints);
    tracepoints.mm_vmscan_direct_reclaim.on((at, nid, order, reclaimed) =>
      this.log('direct reclaim', { at, name: 'direct reclaim', args: { nid, order, reclaimed } }),
    );
    tracepoints.mm_oom_kill.on((at, mm, rssPages) =>
      this.log('OOM', { at, name: 'oom_kill', args: { mm, rssPages } }),
    );
    tracepoints.mm_memory_failure.on((at, pfn, flags) =>
      this.log('memory failure', { at, name: 'memory_failure', args: { pfn, flags } }),
    );
  }

  /** The tracks in the order of their names; a kswapd that never slept again ends `now`. */
  finish(now: number): readonly EventTrack[] {
    for (const nid of [...this.kswapdWokeAt.keys()]) this.kswapdSleeps(now, nid);
    return [...this.tracks]
      .sort(([a], [b]) => (a < b ? -1 : 1))
      .map(([name, { seen, stride, kept }]) => ({ name, seen, stride, events: kept }));
  }

  private listenToKswapd(tracepoints: Tracepoints): void {
    tracepoints.mm_vmscan_kswapd_wake.on((at, nid) => {
      if (!this.kswapdWokeAt.has(nid)) this.kswapdWokeAt.set(nid, at);
    });
    tracepoints.mm_vmscan_kswapd_sleep.on((at, nid) => this.kswapdSleeps(at, nid));
  }

  private kswapdSleeps(at: number, nid: number): void {
    const woke = this.kswapdWokeAt.get(nid);
    if (woke === undefined) return;
    this.kswapdWokeAt.delete(nid);
    const event = { at: woke, durationNs: at - woke, name: 'awake', args: { nid } };
    this.log(`kswapd${nid}`, event);
  }

  private listenToMigration(tracepoints: Tracepoints): void {
    tracepoints.mm_migrate_pages.on((at, succeeded, failed, mode, reason) =>
      this.log('migration', {
        at,
        name: 'migrate_pages',
        args: { succeeded, failed, mode, reason },
      }),
    );
    tracepoints.mm_vmscan_demote.on((at, srcNid, dstNid, count) =>
      this.log('demotion', { at, name: 'demote', args: { srcNid, dstNid, count } }),
    );
  }

  private listenToDevice(tracepoints: Tracepoints): void {
    tracepoints.device_interrupt.on((at, nid, vector) =>
      this.log('device interrupts', { at, name: `vector ${vector}`, args: { nid, vector } }),
    );
    tracepoints.device_overflow.on((at, nid, pfn) =>
      this.log('device overflow', { at, name: 'overflow', args: { nid, pfn } }),
    );
    tracepoints.node_pressure.on((at, nid, pressure) =>
      this.log('pressure', { at, name: 'set_pressure', args: { nid, pressure } }),
    );
  }

  private log(track: string, event: LoggedEvent): void {
    let events = this.tracks.get(track);
    if (events === undefined) {
      events = new Thinned(this.eventsMax);
      this.tracks.set(track, events);
    }
    events.push(event);
  }
}
