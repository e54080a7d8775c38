import type { Clock } from '@mm-lab/mm-core';
import type { Medium } from './medium.js';

/**
 * The time that a medium's moves take. The device is busy with them until they are done, and
 * whoever comes before waits for the rest. A path of the model is atomic in simulated time: what it
 * waited for at an instant it does not wait for again at that instant. Simplified: two actors at
 * one instant count as one.
 */
export class MoveDebt {
  private notedBytes = 0;
  private untilNs = 0;
  /** When somebody last waited, and until when. */
  private paidAtNs = -1;
  private paidUntilNs = 0;

  constructor(
    private readonly medium: Medium,
    private readonly clock: Clock,
    private readonly bytesPerNs: number,
  ) {}

  /** Looks for moves since it last did. */
  note(): void {
    const bytes = this.medium.movedBytes - this.notedBytes;
    if (bytes === 0) return;
    this.notedBytes = this.medium.movedBytes;
    this.untilNs = Math.max(this.untilNs, this.clock.now) + bytes / this.bytesPerNs;
  }

  /** What is left of them, in ns: whoever asks waits for it. */
  payNs(): number {
    const { now } = this.clock;
    const paidNs = this.paidAtNs === now ? this.paidUntilNs : now;
    this.paidAtNs = now;
    this.paidUntilNs = Math.max(paidNs, this.untilNs);
    return this.paidUntilNs - paidNs;
  }

  clear(): void {
    this.notedBytes = this.medium.movedBytes;
    this.untilNs = 0;
    this.paidAtNs = -1;
  }
}
