import {
  type Clock,
  ClockToken,
  type Contents,
  ContentsToken,
  CostModel,
  createToken,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  inject,
  injectable,
} from '@mm-lab/mm-core';
import type { Mailbox } from '../device/mailbox.js';
import { mediaZero } from '../device/media-operation.js';
import type { FlushBuffer } from './flush-buffer.js';
import type { Limbo } from './limbo.js';

/** Who scrubs: the device, if it can, and where the pages wait. */
export interface Scrubber {
  /** Null: the CPU zeroes. */
  readonly mailbox: Mailbox | null;
  readonly limbo: Limbo;
  /** What its flushes came to; counted here. */
  readonly counts: FlushCounts;
}

/** What the flushes so far came to. */
export interface FlushCounts {
  /** Commands that the device did in time. */
  sent: number;
  /** Commands that failed or were given up; the CPU zeroed instead. */
  failed: number;
  /** Pages that the CPU zeroed in place of the device. */
  cpuZeroed: number;
}

/** Scrubs a full buffer and gives its folios back (RFC v4 patch 27, the send of a flush). */
@injectable()
export class FlushSender {
  constructor(
    @inject(ClockToken) private readonly clock: Clock,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(CostModel) private readonly cost: CostModel,
  ) {}

  /** Sends one command; on failure, or without a mailbox, the CPU zeroes. `done` comes later. */
  send(buffer: FlushBuffer, scrubber: Scrubber, done: () => void): void {
    const { mailbox } = scrubber;
    const byCpu = (): void => this.zeroByCpu(buffer, scrubber, done);
    if (mailbox === null) {
      byCpu();
      return;
    }
    const polling = { intervalNs: this.cost.ns.flushPoll, count: this.cost.counts.flushPolls };
    mailbox.send(mediaZero([...buffer.ranges]), polling, (rc) => {
      if (rc < 0) {
        scrubber.counts.failed += 1;
        byCpu();
        return;
      }
      scrubber.counts.sent += 1;
      this.giveBack(buffer, scrubber);
      done();
    });
  }

  private zeroByCpu(buffer: FlushBuffer, scrubber: Scrubber, done: () => void): void {
    const pages = buffer.folios.reduce((sum, folio) => sum + this.table.nrPages(folio), 0);
    for (const folio of buffer.folios) {
      const end = folio + this.table.nrPages(folio);
      for (let pfn = folio; pfn < end; pfn++) this.contents.zero(pfn);
    }
    scrubber.counts.cpuZeroed += pages;
    this.clock.after(pages * this.cost.ns.zeroPage, () => {
      this.giveBack(buffer, scrubber);
      done();
    });
  }

  /** Drops the references, which calls `free_folio` a second time. */
  private giveBack(buffer: FlushBuffer, { limbo }: Scrubber): void {
    const folios = [...buffer.folios];
    buffer.clear();
    for (const folio of folios) {
      limbo.remove(folio);
      this.folios.put(folio);
    }
  }
}
export const FlushSenderToken = createToken<FlushSender>('FlushSender');
