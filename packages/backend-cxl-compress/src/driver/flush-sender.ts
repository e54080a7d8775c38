import {
  type Clock,
  ClockToken,
  type Contents,
  ContentsToken,
  CostModel,
  createToken,
  ETIMEDOUT,
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
  /**
   * What becomes of pages whose command was given up? 'posted': zeroed by the CPU and given back,
   * whatever the device still does with them. 'mended': they wait until it has come to rest.
   */
  readonly lateCommands: 'posted' | 'mended';
}

/** Looks at a mailbox that does not come to rest; then its pages are lost to everybody. */
const REST_POLLS_MAX = 3600;

/** What the flushes so far came to. */
export interface FlushCounts {
  /** Commands that the device did in time. */
  sent: number;
  /** Commands that failed or were given up; the CPU zeroed instead. */
  failed: number;
  /** Pages that the CPU zeroed in place of the device. */
  cpuZeroed: number;
  /** Pages that wait until the device has come to rest. */
  quarantined: number;
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
        const mayComeLate = rc === -ETIMEDOUT && scrubber.lateCommands === 'mended';
        if (mayComeLate) this.quarantine(buffer, mailbox, scrubber, done);
        else byCpu();
        return;
      }
      scrubber.counts.sent += 1;
      this.giveBack(buffer, scrubber);
      done();
    });
  }

  /** The buffer is free for others at once; its folios come back when nothing can touch them. */
  private quarantine(
    buffer: FlushBuffer,
    mailbox: Mailbox,
    scrubber: Scrubber,
    done: () => void,
  ): void {
    const held = buffer.handOver();
    const pages = this.pagesOf(held);
    scrubber.counts.quarantined += pages;
    const look = (polls: number): void => {
      if (mailbox.isBusy()) {
        if (polls > 0) this.clock.after(this.cost.ns.flushPoll, () => look(polls - 1));
        return;
      }
      scrubber.counts.quarantined -= pages;
      this.zeroByCpu(held, scrubber, () => undefined);
    };
    look(REST_POLLS_MAX);
    done();
  }

  private pagesOf({ folios }: FlushBuffer): number {
    return folios.reduce((sum, folio) => sum + this.table.nrPages(folio), 0);
  }

  private zeroByCpu(buffer: FlushBuffer, scrubber: Scrubber, done: () => void): void {
    const pages = this.pagesOf(buffer);
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
