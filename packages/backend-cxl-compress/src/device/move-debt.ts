import type { Clock } from '@mm-lab/mm-core';
import type { Medium } from './medium.js';

/**
 * The time that a medium's moves take: the device is busy from then on, and whoever comes first
 * before it is done waits for the rest. Simplified: others who come in the meantime do not.
 */
export class MoveDebt {
  private notedBytes = 0;
  private untilNs = 0;

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

  /** What is left of them, in ns; whoever asks waits for it, and nobody after. */
  payNs(): number {
    const leftNs = Math.max(0, this.untilNs - this.clock.now);
    this.untilNs = this.clock.now;
    return leftNs;
  }

  clear(): void {
    this.notedBytes = this.medium.movedBytes;
    this.untilNs = this.clock.now;
  }
}
