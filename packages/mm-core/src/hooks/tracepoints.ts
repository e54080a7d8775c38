import { EventEmitter } from 'eventemitter3';
import { createToken } from '../base/di.js';

/** A listener gets the time in nanoseconds and the tracepoint's numbers. */
export type TraceListener = (now: number, a: number, b: number, c: number, d: number) => void;

/** One tracepoint: costs a field test while nobody listens. */
export class Tracepoint {
  /** True while somebody listens: guard every `emit` with it. */
  enabled = false;

  constructor(
    readonly name: string,
    /** Names of the numbers, in order. */
    readonly fields: readonly string[],
    private readonly emitter: EventEmitter,
    private readonly now: () => number,
  ) {}

  /** Tells the listeners; call it only when `enabled`. */
  emit(a: number, b = 0, c = 0, d = 0): void {
    this.emitter.emit(this.name, this.now(), a, b, c, d);
  }

  on(listener: TraceListener): void {
    this.emitter.on(this.name, listener);
    this.enabled = true;
  }

  off(listener: TraceListener): void {
    this.emitter.off(this.name, listener);
    this.enabled = this.emitter.listenerCount(this.name) > 0;
  }
}

/** Fields of every tracepoint; the names follow include/trace/events where Linux has one. */
export const TRACEPOINT_FIELDS = {
  mm_page_alloc: ['pfn', 'order', 'gfp', 'nid'],
  mm_page_free: ['pfn', 'order', 'nid'],
  mm_fault: ['vpn', 'write', 'result', 'ns'],
  mm_migrate_pages: ['succeeded', 'failed', 'mode', 'reason'],
  mm_migrate_folio: ['src', 'dst', 'srcNid', 'dstNid'],
  mm_vmscan_kswapd_wake: ['nid', 'order'],
  mm_vmscan_kswapd_sleep: ['nid'],
  mm_vmscan_shrink: ['nid', 'scanned', 'reclaimed', 'priority'],
  mm_vmscan_direct_reclaim: ['nid', 'order', 'reclaimed'],
  mm_vmscan_demote: ['srcNid', 'dstNid', 'count'],
  mm_swap_out: ['slot', 'bytes'],
  mm_swap_in: ['slot', 'ns'],
  mm_memory_failure: ['pfn', 'flags'],
  mm_oom_kill: ['mm', 'rssPages', 'totalPages'],
  device_bytes: ['nid', 'physicalBytes', 'logicalPages', 'capacityBytes'],
  device_interrupt: ['nid', 'vector'],
  device_overflow: ['nid', 'pfn'],
  node_pressure: ['nid', 'pressure'],
} as const;

/** Name of a tracepoint. */
export type TracepointName = keyof typeof TRACEPOINT_FIELDS;

/** Every tracepoint of a machine, by name. */
export type Tracepoints = { readonly [Name in TracepointName]: Tracepoint };
export const Tracepoints = createToken<Tracepoints>('Tracepoints');

/** The tracepoints of one machine; `now` tells its simulated time. */
export function createTracepoints(now: () => number): Tracepoints {
  const emitter = new EventEmitter();
  const make = <Name extends TracepointName>(name: Name): Tracepoint =>
    new Tracepoint(name, TRACEPOINT_FIELDS[name], emitter, now);
  return {
    mm_page_alloc: make('mm_page_alloc'),
    mm_page_free: make('mm_page_free'),
    mm_fault: make('mm_fault'),
    mm_migrate_pages: make('mm_migrate_pages'),
    mm_migrate_folio: make('mm_migrate_folio'),
    mm_vmscan_kswapd_wake: make('mm_vmscan_kswapd_wake'),
    mm_vmscan_kswapd_sleep: make('mm_vmscan_kswapd_sleep'),
    mm_vmscan_shrink: make('mm_vmscan_shrink'),
    mm_vmscan_direct_reclaim: make('mm_vmscan_direct_reclaim'),
    mm_vmscan_demote: make('mm_vmscan_demote'),
    mm_swap_out: make('mm_swap_out'),
    mm_swap_in: make('mm_swap_in'),
    mm_memory_failure: make('mm_memory_failure'),
    mm_oom_kill: make('mm_oom_kill'),
    device_bytes: make('device_bytes'),
    device_interrupt: make('device_interrupt'),
    device_overflow: make('device_overflow'),
    node_pressure: make('node_pressure'),
  };
}
