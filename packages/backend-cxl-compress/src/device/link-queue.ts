import { type Clock, PAGE_SIZE, ServerQueue, type ServerQueueStats } from '@mm-lab/mm-core';

/** Bytes of a memory line. */
const LINE_BYTES = 64;

/**
 * The link to the device as one server, first come first served. The time on the wire itself is in
 * the price of a copy or line already; what is added is the wait behind others.
 *
 * A path of the model is atomic in simulated time, so what one actor copies at an instant does not
 * wait for its own. Simplified: two actors that copy at one instant count as one, both directions
 * share the server, and a page is copied in one go, so a line never slips in between.
 */
export class LinkQueue {
  /** Copies and lines that came, and the time that they waited, in ns. */
  copies = 0;
  lines = 0;
  waitNs = 0;
  private readonly queue = new ServerQueue();
  private askedNs = -1;

  constructor(
    private readonly clock: Clock,
    private readonly bytesPerNs: number,
  ) {}

  /** A page is copied, either way. @returns ns that it waits for others */
  copy(): number {
    const { now } = this.clock;
    const isOwn = this.askedNs === now;
    this.askedNs = now;
    this.copies += 1;
    return this.arrive(isOwn ? 0 : this.queue.waitAt(now), PAGE_SIZE);
  }

  /** A program loads or stores a line; its own copies are paid for by then. @returns as above */
  line(): number {
    this.lines += 1;
    return this.arrive(this.queue.waitAt(this.clock.now), LINE_BYTES);
  }

  stats(): ServerQueueStats {
    return this.queue.stats(this.clock.now);
  }

  verify(): void {
    this.queue.verify(this.clock.now);
  }

  private arrive(waitNs: number, bytes: number): number {
    this.queue.arrive(this.clock.now, bytes / this.bytesPerNs);
    this.waitNs += waitNs;
    return waitNs;
  }
}
