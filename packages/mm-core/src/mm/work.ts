import { createToken } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';

/**
 * Time spent by whoever runs now: the current task inside a fault or system call, or an actor
 * inside its event. Services charge; the driver (access engine, actor) takes the sum and moves the
 * clock. So a path is atomic in simulated time and its cost comes after it; what lasts (a
 * background migration) says so by an event of its own.
 */
export class Work {
  private sum = 0;
  /** Node of the CPU that runs now. */
  cpuNid = 0;
  /** The task that runs now; null inside an event, where a kernel thread does (current). */
  current: TaskStruct | null = null;
  /** The task that ran when the event that fires came, or null (what a tick finds). */
  interrupted: TaskStruct | null = null;
  /** Nanoseconds that event handlers charged and nobody waited for. */
  actorNs = 0;
  /** Depth of reclaim: allocations inside it ignore watermarks (PF_MEMALLOC). */
  private memallocDepth = 0;
  private faultDepth = 0;
  /** Depth of long-term pins: allocations inside them are not movable (PF_MEMALLOC_PIN). */
  private pinDepth = 0;

  /** Adds nanoseconds to the running path. */
  charge(ns: number): void {
    this.sum += ns;
  }

  /** Nanoseconds since the last take; starts anew. */
  take(): number {
    const ns = this.sum;
    this.sum = 0;
    return ns;
  }

  /** Nanoseconds charged so far in the running path. */
  soFar(): number {
    return this.sum;
  }

  /**
   * Runs an event's handler with an account of its own: what the interrupted path charged stays
   * its own, and what the handler does not take is the actor's (`actorNs`).
   */
  isolate(handler: () => void): void {
    const { sum, current } = this;
    this.sum = 0;
    this.interrupted = current;
    try {
      this.waitFor(() => {
        this.current = null;
        handler();
      });
    } finally {
      this.actorNs += this.sum;
      this.sum = sum;
      this.interrupted = null;
    }
  }

  /**
   * Runs what somebody else does while the running path waits for it: as whom it likes and outside
   * the path's reclaim, fault and pin, but on the path's time.
   */
  waitFor(other: () => void): void {
    const { memallocDepth, faultDepth, pinDepth, current, cpuNid } = this;
    this.memallocDepth = 0;
    this.faultDepth = 0;
    this.pinDepth = 0;
    try {
      other();
    } finally {
      this.memallocDepth = memallocDepth;
      this.faultDepth = faultDepth;
      this.pinDepth = pinDepth;
      this.current = current;
      this.cpuNid = cpuNid;
    }
  }

  /** Runs a path of `task`: its CPU and its policy are those of the running path. */
  runAs(task: TaskStruct): void {
    this.current = task;
    this.cpuNid = task.nid;
  }

  /** Is the current path a reclaimer (PF_MEMALLOC)? */
  inMemalloc(): boolean {
    return this.memallocDepth > 0;
  }

  /** memalloc_noreclaim_save; undo with `leaveMemalloc`. */
  enterMemalloc(): void {
    this.memallocDepth++;
  }

  leaveMemalloc(): void {
    this.memallocDepth--;
  }

  /** memalloc_noreclaim_save is off and a page fault is handled (lru_gen_in_fault). */
  inLruFault(): boolean {
    return this.faultDepth > 0 && this.memallocDepth === 0;
  }

  /** lru_gen_enter_fault; undo with `leaveFault`. */
  enterFault(): void {
    this.faultDepth++;
  }

  leaveFault(): void {
    this.faultDepth--;
  }

  /** Is the current path a long-term pin (PF_MEMALLOC_PIN)? */
  inPin(): boolean {
    return this.pinDepth > 0;
  }

  /** memalloc_pin_save; undo with `leavePin`. */
  enterPin(): void {
    this.pinDepth++;
  }

  leavePin(): void {
    this.pinDepth--;
  }
}
export const WorkToken = createToken<Work>('Work');
