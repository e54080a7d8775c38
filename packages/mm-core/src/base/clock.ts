import { assert } from './assert.js';

/** What a scheduled event does when its time has come. */
export type EventHandler = () => void;

/** A handle to a scheduled event, to cancel it. */
export interface ScheduledEvent {
  /** Simulated time of the event, in nanoseconds. */
  readonly at: number;
  /** False once it has fired or was cancelled. */
  readonly pending: boolean;
  cancel(): void;
}

class Entry implements ScheduledEvent {
  pending = true;
  constructor(
    readonly at: number,
    readonly order: number,
    readonly handler: EventHandler,
  ) {}
  cancel(): void {
    this.pending = false;
  }
}

/** No more than this many events may wait: more is a runaway actor. */
const PENDING_MAX = 1 << 20;

/**
 * The simulated clock, in nanoseconds, and its event queue (a binary heap; equal times fire in the
 * order of scheduling). Whoever does work advances the clock; events that fall due on the way fire
 * at their own time. Events fire one after the other, never inside one another: a handler that
 * takes time schedules its next step.
 */
export class Clock {
  /** Simulated nanoseconds since the machine was built. */
  now = 0;
  private heap: Entry[] = [];
  private orderNext = 0;
  private firing = false;
  /** Runs each handler; the machine wraps it to keep the accounts of paths apart. */
  dispatch: (handler: EventHandler) => void = (handler) => handler();

  /** Schedules `handler` at `now + delayNs` (a delay below 0 counts as 0). */
  after(delayNs: number, handler: EventHandler): ScheduledEvent {
    assert(this.heap.length < PENDING_MAX, 'the event queue is bounded');
    const entry = new Entry(this.now + Math.max(0, delayNs), this.orderNext++, handler);
    this.push(entry);
    return entry;
  }

  /** Time of the next event, or Infinity. */
  deadline(): number {
    this.dropCancelled();
    return this.heap[0]?.at ?? Infinity;
  }

  /**
   * Moves the time forward by `ns`, firing what falls due. Inside a handler it does nothing: an
   * actor that takes time schedules its next step.
   */
  advance(ns: number): void {
    const until = this.now + ns;
    if (this.firing) return;
    this.fireUntil(until);
    if (this.now < until) this.now = until;
  }

  /** Fires everything due at or before `until`, each at its own time. */
  fireUntil(until: number): void {
    assert(!this.firing, 'events do not nest');
    while (this.deadline() <= until) {
      const entry = this.pop();
      if (entry.at > this.now) this.now = entry.at;
      entry.pending = false;
      this.firing = true;
      try {
        this.dispatch(entry.handler);
      } finally {
        this.firing = false;
      }
    }
  }

  /** True while an event handler runs: the work is an actor's, not the current task's. */
  inEvent(): boolean {
    return this.firing;
  }

  /** Number of events that wait. */
  pendingCount(): number {
    return this.heap.reduce((sum, entry) => sum + (entry.pending ? 1 : 0), 0);
  }

  private dropCancelled(): void {
    while (this.heap.length > 0 && this.heap[0]?.pending === false) this.pop();
  }

  private push(entry: Entry): void {
    const heap = this.heap;
    let at = heap.push(entry) - 1;
    while (at > 0) {
      const parent = (at - 1) >> 1;
      const above = heap[parent];
      if (above === undefined || !before(entry, above)) break;
      heap[at] = above;
      at = parent;
    }
    heap[at] = entry;
  }

  private pop(): Entry {
    const heap = this.heap;
    const top = heap[0];
    const last = heap.pop();
    assert(top !== undefined && last !== undefined, 'pop needs a waiting event');
    if (heap.length > 0) this.sink(last);
    return top;
  }

  private sink(entry: Entry): void {
    const heap = this.heap;
    let at = 0;
    for (;;) {
      let child = 2 * at + 1;
      const left = heap[child];
      if (left === undefined) break;
      const right = heap[child + 1];
      let least = left;
      if (right !== undefined && before(right, left)) {
        least = right;
        child += 1;
      }
      if (!before(least, entry)) break;
      heap[at] = least;
      at = child;
    }
    heap[at] = entry;
  }
}

function before(a: Entry, b: Entry): boolean {
  return a.at < b.at || (a.at === b.at && a.order < b.order);
}
