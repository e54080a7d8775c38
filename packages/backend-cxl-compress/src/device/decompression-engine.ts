import { type Clock, PAGE_SIZE, ServerQueue, type ServerQueueStats } from '@mm-lab/mm-core';

/**
 * The one engine that decompresses whole pages, first come first served.
 *
 * A path of the model is atomic in simulated time, so one actor reads many pages at the same
 * instant. It reads them one after the other: each costs it only the time that the engine finishes
 * later than with the one before. Simplified: two actors at the same instant count as one, and
 * decompression does not overlap with the transfer of the lines, which overstates a read by at most
 * one service time.
 */
export class DecompressionEngine {
  private readonly queue = new ServerQueue();
  private readonly pageNs: number;
  private askedNs = -1;

  constructor(
    private readonly clock: Clock,
    bytesPerNs: number,
  ) {
    this.pageNs = PAGE_SIZE / bytesPerNs;
  }

  /** Decompresses a page; the time in ns that the reader waits for it. */
  readPageNs(): number {
    const nowNs = this.clock.now;
    const beforeNs = this.askedNs === nowNs ? this.queue.finishNs : nowNs;
    this.askedNs = nowNs;
    this.queue.arrive(nowNs, this.pageNs);
    return this.queue.finishNs - beforeNs;
  }

  /** Expands a page behind the line that was asked for. @returns ns until it starts */
  expandWaitNs(): number {
    const nowNs = this.clock.now;
    const waitNs = this.queue.waitAt(nowNs);
    this.queue.arrive(nowNs, this.pageNs);
    return waitNs;
  }

  stats(): ServerQueueStats {
    return this.queue.stats(this.clock.now);
  }

  verify(): void {
    this.queue.verify(this.clock.now);
  }
}
