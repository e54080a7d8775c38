import type { Clock } from '../base/clock.js';

/** Memory that compression saves, as the mean over time. */
export class SavedMemory {
  private readonly since: number;
  private last: number;
  private bytes = 0;
  private integral = 0;

  constructor(private readonly clock: Clock) {
    this.since = clock.now;
    this.last = clock.now;
  }

  /** Bytes saved from now on. */
  note(bytes: number): void {
    this.integral += this.bytes * (this.clock.now - this.last);
    this.last = this.clock.now;
    this.bytes = bytes;
  }

  /** Bytes saved on average since the start. */
  mean(): number {
    this.note(this.bytes);
    return this.integral / Math.max(1, this.clock.now - this.since);
  }
}
