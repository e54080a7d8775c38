import {
  assert,
  type Clock,
  type CompressingDevice,
  type DeviceBinding,
  EFAULT,
  MmError,
  PAGE_SIZE,
  type PageData,
  Prng,
  type ThresholdKind,
  type Tracepoints,
} from '@mm-lab/mm-core';
import type { CxlCompressSettings } from './cxl-compress-options.js';
import { HotPageMonitor } from './hot-page-monitor.js';
import { Mailbox } from './mailbox.js';
import { type Layout, layoutOf } from './media.js';
import type { DpaRange, MediaOperation } from './media-operation.js';
import { MoveDebt } from './move-debt.js';
import { PageLedger } from './page-ledger.js';
import { ReadPath } from './read-path.js';
import { StoredSizes } from './stored-sizes.js';
import { ThresholdInterrupts } from './threshold-interrupts.js';
import { UsageHistory } from './usage-history.js';

/** Usage is traced when it changed by this share of the capacity. */
const TRACE_STEPS = 1024;

/** What a device needs of the machine. */
export interface CxlCompressParts {
  readonly clock: Clock;
  readonly data: PageData;
  readonly tracepoints: Tracepoints;
}

/** What a device does to the host's pages behind its back. */
export interface DeviceHost {
  /** The device zeroed the page; the host discards it in turn. */
  zeroed(pfn: number): void;
  /** The device lost what the page holds. */
  lost(pfn: number): void;
}

/**
 * A CXL memory device that compresses what is stored (spec: cost model 1.2; RFC v4 patch 27 for
 * what its driver sees). It offers L logical pages over C physical bytes and lies about the
 * difference: a store that finds no room is lost, and the page is poisoned until something that
 * fits is stored or the page is given up.
 *
 * A page: empty --store, fits--> stored --store, does not fit--> poisoned --store, fits--> stored;
 * any --discard, or store of zeros--> empty. Zeros take nothing, as every design has it.
 */
export class CxlCompressDevice implements CompressingDevice {
  readonly name: string;
  /** Of a page that is expanded, if the device keeps any. */
  readonly lineNs: number;
  /** Only if a line's time depends on what came before, or hot pages are looked for. */
  readonly touchNs?: (pfn: number) => number;
  /** Only if it looks for hot pages. */
  readonly onHot?: (handler: (pfns: readonly number[]) => void) => void;
  readonly bytesPerNs: number;
  readonly capacityBytes: number;
  readonly logicalPages: number;
  private readonly clock: Clock;
  private readonly layout: Layout;
  private readonly moves: MoveDebt;
  private readonly tracepoints: Tracepoints;
  private readonly ledger: PageLedger;
  private readonly interrupts: ThresholdInterrupts;
  private readonly reads: ReadPath;
  private readonly monitor: HotPageMonitor | null;
  private readonly history: UsageHistory;
  private readonly poisonChance: Prng;
  /** Its driver commands it here. */
  readonly mailbox: Mailbox;
  /** Who is told of what the device does on its own; set by the machine it is plugged into. */
  host: DeviceHost | null = null;
  private binding: DeviceBinding | null = null;
  /** Did the page of the last store hold something compressed before? */
  private replacedCompressed = false;
  private stores = 0;
  private zeroStores = 0;
  private discards = 0;
  private overflowEvents = 0;
  private zeroedPages = 0;
  private poisonInjected = 0;
  private tracedBytes = 0;
  private tracedNs = -Infinity;

  constructor(
    private readonly settings: CxlCompressSettings,
    parts: CxlCompressParts,
  ) {
    const { name, bytesPerNs, capacityBytes, logicalPages } = settings;
    this.name = name;
    this.lineNs = settings.cache?.hitNs ?? settings.lineNs;
    this.bytesPerNs = bytesPerNs;
    this.capacityBytes = capacityBytes;
    this.logicalPages = logicalPages;
    this.clock = parts.clock;
    const { codec, blockBytes, compaction } = settings;
    const { data, clock } = parts;
    const sizes = new StoredSizes(settings, { data, clock, codec, blockBytes });
    this.tracepoints = parts.tracepoints;
    this.ledger = new PageLedger(logicalPages);
    this.layout = layoutOf(settings, this.ledger, sizes);
    this.moves = new MoveDebt(this.layout.medium, clock, compaction?.bytesPerNs ?? Infinity);
    this.interrupts = new ThresholdInterrupts(
      settings,
      parts.clock,
      parts.tracepoints.device_interrupt,
    );
    this.reads = new ReadPath(parts.clock, settings);
    const { hotPages } = settings;
    const monitor = hotPages === null ? null : new HotPageMonitor(hotPages, parts.clock);
    this.monitor = monitor;
    const seesLines = this.reads.seesLines || monitor !== null || settings.compaction !== null;
    if (seesLines) this.touchNs = (pfn) => this.touch(pfn);
    if (monitor !== null) this.onHot = (handler) => this.tellHot(monitor, handler);
    this.history = new UsageHistory(parts.clock);
    this.poisonChance = new Prng(settings.poisonFaults.seed);
    const { mailbox, mailboxFaults } = settings;
    const execute = (command: MediaOperation): number => this.zero(command.ranges);
    this.mailbox = new Mailbox(mailbox, mailboxFaults, parts.clock, execute);
  }

  /**
   * @throws MmError DEVICE_BAD_OPTION if the range is larger than the device, or another one is
   * attached
   */
  attach(binding: DeviceBinding): void {
    const refuse = (detail: string): MmError =>
      new MmError('DEVICE_BAD_OPTION', { plugin: this.name, detail });
    if (this.binding !== null) {
      throw refuse(`it backs node ${this.binding.nid} already and cannot back ${binding.nid} too`);
    }
    if (binding.pages > this.logicalPages) {
      throw refuse(`${binding.pages} pages are to be backed and it has ${this.logicalPages}`);
    }
    this.binding = binding;
    this.interrupts.nid = binding.nid;
  }

  /** Unplugged: it forgets every page, and interrupts under way reach nobody. */
  detach(): void {
    assert(this.binding !== null, 'only an attached device is detached');
    this.ledger.clear();
    this.layout.medium.clear();
    this.moves.clear();
    this.reads.clear();
    this.monitor?.clear();
    this.interrupts.reset();
    this.changed();
    this.binding = null;
    this.interrupts.nid = -1;
  }

  store(pfn: number, key: number): boolean {
    const page = this.pageOf(pfn);
    this.stores += 1;
    if (key === 0) this.zeroStores += 1;
    this.replacedCompressed = this.isCompressed(page);
    const pieces = this.layout.piecesOf(key);
    const fits = this.layout.medium.place(page, pieces);
    const isLost = fits && this.poisonChance.chance(this.settings.poisonFaults.storeProbability);
    if (isLost) this.poison(page);
    else if (fits) this.ledger.set(page, sum(pieces));
    else this.overflow(page, pfn);
    this.dropIfPlain(page);
    if (key === 0) this.reads.forget(page);
    this.changed();
    return fits && !isLost;
  }

  /** Fault injection: the medium loses what the page holds, and a later read finds poison. */
  injectPoison(pfn: number): void {
    const page = this.pageOf(pfn);
    this.poison(page);
    this.reads.drop(page);
    this.changed();
    this.host?.lost(pfn);
  }

  discard(pfn: number): void {
    this.discards += 1;
    const page = this.pageOf(pfn);
    this.layout.medium.place(page, []);
    this.ledger.set(page, 0);
    this.reads.forget(page);
    this.changed();
  }

  readPageNs(pfn: number): number {
    const page = this.pageOf(pfn);
    return this.moves.payNs() + this.reads.readPageNs(page, this.isCompressed(page));
  }

  /** Asked right after the store of a page that is copied here. */
  writePageNs(pfn: number): number {
    return this.moves.payNs() + this.reads.writePageNs(this.pageOf(pfn), this.replacedCompressed);
  }

  usedBytes(): number {
    return this.layout.medium.usedBytes;
  }

  /** Pages of zeros hold no bytes and do not count. */
  storedPages(): number {
    return this.ledger.storedPages;
  }

  isPoisoned(pfn: number): boolean {
    return this.ledger.isPoisoned(this.pageOf(pfn));
  }

  storedBytes(pfn: number): number {
    return this.ledger.bytesOf(this.pageOf(pfn));
  }

  onThreshold(handler: (kind: ThresholdKind) => void): void {
    this.interrupts.onThreshold(handler);
  }

  programThresholds(marks: { readonly lowBytes: number; readonly highBytes: number | null }): void {
    this.interrupts.program(marks.lowBytes, marks.highBytes);
    this.interrupts.update(this.usedBytes());
  }

  /** Counters for the results, by dotted name. */
  stats(): Readonly<Record<string, number>> {
    return {
      'device.logical_pages': this.ledger.storedPages,
      'device.logical_pages.peak': this.history.logicalPagesPeak,
      'device.physical_bytes': this.usedBytes(),
      'device.fragmentation_bytes': this.usedBytes() - this.ledger.usedBytes,
      'device.compactions': this.layout.medium.compactions,
      'device.compaction.moved_bytes': this.layout.medium.movedBytes,
      'device.physical_bytes.peak': this.history.physicalBytesPeak,
      'device.physical_bytes.capacity': this.capacityBytes,
      'device.overflow_events': this.overflowEvents,
      'device.poisoned_pages': this.ledger.poisonedPages,
      'device.stores': this.stores,
      'device.stores.zero': this.zeroStores,
      'device.discards': this.discards,
      'device.zeroed_pages': this.zeroedPages,
      'device.poison_injected': this.poisonInjected,
      ...this.controlStats(),
      ...this.monitor?.stats(),
      ...this.reads.stats(),
      'memory.saved_bytes.mean': this.history.savedBytesMean(),
    };
  }

  private controlStats(): Readonly<Record<string, number>> {
    const { low, high, lost, late } = this.interrupts.counts();
    const { commands, failed, timedOut, lateEffects } = this.mailbox.counts();
    return {
      'device.interrupts.low': low,
      'device.interrupts.high': high,
      'device.interrupts.lost': lost,
      'device.interrupts.late': late,
      'device.commands': commands,
      'device.commands.failed': failed,
      'device.commands.timed_out': timedOut,
      'device.commands.late_effects': lateEffects,
    };
  }

  /** Rechecks the device: a recount of every page, the capacity, cache and queues. */
  verify(): void {
    this.ledger.verify();
    this.layout.medium.verify();
    this.reads.verify((page) => this.isCompressed(page));
    assert(this.usedBytes() <= this.capacityBytes, 'a device holds no more than it has');
  }

  /** Media Operations, zero. The ranges must be whole pages of the range that it backs. */
  private zero(ranges: readonly DpaRange[]): number {
    const { binding } = this;
    if (binding === null) return ranges.length === 0 ? 0 : -EFAULT;
    const bytesMax = binding.pages * PAGE_SIZE;
    const isWithin = ({ dpa, bytes }: DpaRange): boolean => dpa >= 0 && dpa + bytes <= bytesMax;
    if (!ranges.every(isWithin)) return -EFAULT;
    for (const { dpa, bytes } of ranges) {
      const first = binding.base + dpa / PAGE_SIZE;
      for (let pfn = first; pfn < first + bytes / PAGE_SIZE; pfn++) this.zeroPage(pfn);
    }
    this.changed();
    return 0;
  }

  private zeroPage(pfn: number): void {
    this.zeroedPages += 1;
    if (this.host === null) this.discard(pfn);
    else this.host.zeroed(pfn);
  }

  private tellHot(monitor: HotPageMonitor, handler: (pfns: readonly number[]) => void): void {
    monitor.onHot((pages) => {
      const { binding } = this;
      if (binding !== null) handler(pages.map((page) => binding.base + page));
    });
  }

  private touch(pfn: number): number {
    const page = this.pageOf(pfn);
    this.monitor?.use(page);
    return this.moves.payNs() + this.reads.lineNs(page, this.isCompressed(page));
  }

  /** Not zeros, poison and pages held raw: the engine has no work with them. */
  private isCompressed(page: number): boolean {
    const bytes = this.ledger.bytesOf(page);
    return bytes > 0 && bytes < PAGE_SIZE + this.settings.metadataBytes;
  }

  private dropIfPlain(page: number): void {
    if (!this.isCompressed(page)) this.reads.drop(page);
  }

  private poison(page: number): void {
    this.layout.medium.place(page, []);
    this.ledger.poison(page);
    this.poisonInjected += 1;
  }

  private overflow(page: number, pfn: number): void {
    this.ledger.poison(page);
    this.overflowEvents += 1;
    const { device_overflow } = this.tracepoints;
    if (device_overflow.enabled) device_overflow.emit(this.interrupts.nid, pfn);
  }

  private changed(): void {
    const { storedPages } = this.ledger;
    const usedBytes = this.usedBytes();
    this.moves.note();
    this.history.update(storedPages, usedBytes);
    this.interrupts.update(usedBytes);
    if (this.tracepoints.device_bytes.enabled) this.trace(usedBytes, storedPages);
  }

  /** At most one event per 1/1024 of the capacity moved, or per interval of simulated time. */
  private trace(usedBytes: number, storedPages: number): void {
    const step = Math.abs(usedBytes - this.tracedBytes) * TRACE_STEPS >= this.capacityBytes;
    const { traceIntervalNs } = this.settings;
    if (!step && this.clock.now - this.tracedNs < traceIntervalNs) return;
    this.tracedBytes = usedBytes;
    this.tracedNs = this.clock.now;
    const { device_bytes } = this.tracepoints;
    const { nid } = this.interrupts;
    if (device_bytes.enabled) device_bytes.emit(nid, usedBytes, storedPages, this.capacityBytes);
  }

  /** Index of a page of the attached range. */
  private pageOf(pfn: number): number {
    const { binding } = this;
    assert(binding !== null, 'a device is attached before it is used');
    const page = pfn - binding.base;
    assert(page >= 0 && page < binding.pages, 'a page is within the range of its device');
    return page;
  }
}

function sum(bytes: readonly number[]): number {
  let total = 0;
  for (const one of bytes) total += one;
  return total;
}
