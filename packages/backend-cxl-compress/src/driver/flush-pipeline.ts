import {
  type Clock,
  type CostModel,
  type Folios,
  type FolioTable,
  type Nodes,
  PAGE_SIZE,
  type PfnRange,
  type ScheduledEvent,
  type Work,
} from '@mm-lab/mm-core';
import type { Mailbox } from '../device/mailbox.js';
import { FlushBitmap } from './flush-bitmap.js';
import { type CpuBuffers, FlushBuffer } from './flush-buffer.js';
import type { FlushCounts, FlushSender } from './flush-sender.js';
import { Limbo } from './limbo.js';

/** How a region's freed pages are scrubbed. */
export interface FlushSettings {
  /** Rest of the flush thread between two flushes, in ns. */
  readonly intervalNs: number;
  /** Ranges per buffer, at least 1. */
  readonly rangesMax: number;
  /** One RCU grace period, in ns. */
  readonly graceNs: number;
  /** What becomes of pages whose command the driver gave up. */
  readonly lateCommands: 'posted' | 'mended';
}

/** What the pipeline needs of the machine. */
export interface FlushParts {
  readonly clock: Clock;
  readonly work: Work;
  readonly table: FolioTable;
  readonly folios: Folios;
  readonly nodes: Nodes;
  readonly cost: CostModel;
  readonly sender: FlushSender;
}

/** Answers of the flush callback (include/linux/cram.h). */
const FLUSH_DONE = 0;
const FLUSH_KEPT = 1;
const FLUSH_FULL = 2;

/**
 * The flush pipeline of one region (RFC v4 patch 27): frees fill a buffer per CPU, a thread sends
 * all of them once an interval, a full one is sent by a work of its CPU.
 *
 * A folio: freed --callback, room--> kept (bit set, one reference, in limbo) --its buffer was
 * scrubbed, reference dropped--> freed again --callback, bit set--> with the allocator;
 * freed --callback, no room--> zeroed by CRAM at once.
 */
export class FlushPipeline {
  readonly limbo: Limbo;
  /** Does the device zero? Null until it has answered: the CPU does. */
  mailbox: Mailbox | null = null;
  private readonly bitmap: FlushBitmap;
  private readonly cpus: CpuBuffers[];
  private readonly firstCpuOf = new Map<number, number>();
  private readonly counts: FlushCounts = { sent: 0, failed: 0, cpuZeroed: 0, quarantined: 0 };
  private timer: ScheduledEvent | null = null;
  /** Buffers taken from their CPU and not sent yet. */
  private underWay = 0;
  private deferredPages = 0;
  private overflowPages = 0;
  private flushes = 0;

  constructor(
    /** Whose frees it takes. */
    private readonly region: PfnRange,
    private readonly settings: FlushSettings,
    private readonly parts: FlushParts,
  ) {
    this.limbo = new Limbo(parts.clock);
    this.bitmap = new FlushBitmap(region.pages);
    const make = (): FlushBuffer => new FlushBuffer(settings.rangesMax);
    let count = 0;
    for (const { nid, cpus } of parts.nodes.all()) {
      this.firstCpuOf.set(nid, count);
      count += cpus;
    }
    this.cpus = Array.from({ length: Math.max(1, count) }, () => ({
      active: make(),
      overflowSpare: make(),
      threadSpare: make(),
      overflow: 'idle',
    }));
    parts.folios.addHolder(() => this.limbo.folios());
  }

  /** cram_flush_cb_t: 0 the end of our own flush, 1 the driver keeps the folio, 2 no room. */
  readonly callback = (folio: number): number => {
    const page = folio - this.region.base;
    if (this.bitmap.testAndClear(page)) return FLUSH_DONE;
    const cpu = this.cpus[this.currentCpu()]!;
    const pages = this.parts.table.nrPages(folio);
    if (cpu.active.isFull()) {
      this.overflowPages += pages;
      this.queueOverflow(cpu);
      return FLUSH_FULL;
    }
    this.parts.folios.resurrect(folio);
    this.bitmap.set(page);
    cpu.active.add(folio, { dpa: page * PAGE_SIZE, bytes: pages * PAGE_SIZE });
    this.limbo.add(folio, pages);
    this.deferredPages += pages;
    return FLUSH_KEPT;
  };

  /** Starts the flush thread. */
  start(): void {
    this.timer = this.parts.clock.after(this.settings.intervalNs, () => this.flushAll());
  }

  /** Stops the thread after what it sends now (kthread_stop). */
  stop(): void {
    this.timer?.cancel();
    this.timer = null;
  }

  /** Sends what is left, waiting for nothing but the answers. */
  sendRest(): void {
    for (const cpu of this.cpus) {
      if (cpu.active.isEmpty()) continue;
      this.underWay += 1;
      this.send(cpu.active, () => undefined);
    }
  }

  /** Is anything on its way to the device? */
  busy(): boolean {
    return this.underWay > 0;
  }

  /** Counters for the results. */
  stats(): Readonly<Record<string, number>> {
    const { pages, peakPages, meanPages, reuseNsMean, reuseNsMax } = this.limbo.stats();
    const { sent, failed, cpuZeroed, quarantined } = this.counts;
    return {
      'flush.runs': this.flushes,
      'flush.deferred_pages': this.deferredPages,
      'flush.limbo_pages': pages,
      'flush.limbo_pages.peak': peakPages,
      'flush.limbo_pages.mean': meanPages,
      'flush.overflow_zeroings': this.overflowPages,
      'flush.commands': sent,
      'flush.commands.failed': failed,
      'flush.cpu_zeroings': cpuZeroed,
      'flush.quarantined_pages': quarantined,
      'flush.reuse_ns.mean': reuseNsMean,
      'flush.reuse_ns.max': reuseNsMax,
      'flush.bitmap_bytes': this.bitmap.sizeBytes,
    };
  }

  /** The thread: swaps every CPU's buffer, lets one grace period pass, sends one after another. */
  private flushAll(): void {
    const full: FlushBuffer[] = [];
    for (const cpu of this.cpus) {
      if (cpu.active.isEmpty()) continue;
      full.push(cpu.active);
      [cpu.active, cpu.threadSpare] = [cpu.threadSpare, cpu.active];
    }
    this.flushes += 1;
    this.underWay += full.length;
    const sendNext = (): void => {
      const next = full.shift();
      if (next !== undefined) this.send(next, sendNext);
      else if (this.timer !== null) this.start();
    };
    if (full.length === 0) sendNext();
    else this.parts.clock.after(this.settings.graceNs, sendNext);
  }

  private queueOverflow(cpu: CpuBuffers): void {
    if (cpu.overflow === 'runs') cpu.overflow = 'runs, queued again';
    if (cpu.overflow !== 'idle') return;
    cpu.overflow = 'queued';
    this.parts.clock.after(this.parts.cost.ns.kswapdWake, () => this.overflowWork(cpu));
  }

  /**
   * The work of a CPU whose buffer was full. What the CPU has by now is sent, if there is anything:
   * the thread may have been faster.
   */
  private overflowWork(cpu: CpuBuffers): void {
    cpu.overflow = 'runs';
    const { active } = cpu;
    [cpu.active, cpu.overflowSpare] = [cpu.overflowSpare, active];
    this.underWay += 1;
    this.parts.clock.after(this.settings.graceNs, () => {
      this.send(active, () => {
        const isQueued = cpu.overflow === 'runs, queued again';
        cpu.overflow = 'idle';
        if (isQueued) this.overflowWork(cpu);
      });
    });
  }

  /** A buffer that was counted as under way. */
  private send(buffer: FlushBuffer, done: () => void): void {
    const { mailbox, limbo, counts } = this;
    const { lateCommands } = this.settings;
    const sent = (): void => {
      this.underWay -= 1;
      done();
    };
    if (buffer.isEmpty()) sent();
    else this.parts.sender.send(buffer, { mailbox, limbo, counts, lateCommands }, sent);
  }

  /** Simplified: a task stays on one CPU of its node, chosen by its pid. */
  private currentCpu(): number {
    const { work, nodes } = this.parts;
    const { cpus } = nodes.pgdat(work.cpuNid);
    const first = this.firstCpuOf.get(work.cpuNid) ?? 0;
    return first + (cpus > 1 ? (work.current?.pid ?? 0) % cpus : 0);
  }
}
