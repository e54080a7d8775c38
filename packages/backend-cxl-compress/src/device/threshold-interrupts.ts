import type { Clock, ThresholdKind, Tracepoint } from '@mm-lab/mm-core';
import { Prng } from '@mm-lab/mm-core';
import type { CxlCompressSettings } from './cxl-compress-options.js';

/** MSI-X vectors of the RFC's compression driver (v4 patch 27). */
export const LOW_THRESHOLD_VECTOR = 12;
export const HIGH_THRESHOLD_VECTOR = 13;

/** What became of the interrupts so far. */
export interface InterruptCounts {
  /** Low interrupts that reached the driver. */
  readonly low: number;
  /** High interrupts that reached the driver. */
  readonly high: number;
  readonly lost: number;
  readonly late: number;
}

/**
 * Watches usage and interrupts the host when it crosses a mark.
 *
 * States: plenty --usage above the low mark, vector 12--> scarce
 *         scarce --usage below the high mark, vector 13; or unplugged, silently--> plenty
 *         either --new marks--> between: whichever mark usage crosses first, as above
 * The device believes that it has told the host the moment it raises: a lost interrupt is not
 * raised again before usage has crossed the other mark too.
 */
export class ThresholdInterrupts {
  /** Does the low mark interrupt, and the high one? */
  private armed = { low: true, high: false };
  private marks: { readonly lowBytes: number; readonly highBytes: number };
  /** Times it was reset; an interrupt of before does not arrive. */
  private resets = 0;
  private readonly handlers: ((kind: ThresholdKind) => void)[] = [];
  private readonly chance: Prng;
  private delivered = { low: 0, high: 0 };
  private lost = 0;
  private late = 0;

  constructor(
    private readonly settings: CxlCompressSettings,
    private readonly clock: Clock,
    /** Told when an interrupt reaches the host. */
    private readonly tracepoint: Tracepoint,
  ) {
    this.marks = settings;
    this.chance = new Prng(settings.interruptFaults.seed);
  }

  /** Node that the interrupts are traced under. */
  nid = -1;

  /** Adds a handler; every handler is called, in the order of adding. */
  onThreshold(handler: (kind: ThresholdKind) => void): void {
    this.handlers.push(handler);
  }

  /** Does the device count itself as short of capacity? */
  isScarce(): boolean {
    return !this.armed.low;
  }

  /** Other marks from now on; without a high one only the low mark interrupts. */
  program(lowBytes: number, highBytes: number | null): void {
    this.marks = { lowBytes, highBytes: highBytes ?? 0 };
    this.armed = { low: true, high: highBytes !== null };
  }

  /** The device is unplugged: there is plenty, and what was raised is forgotten. */
  reset(): void {
    this.marks = this.settings;
    this.armed = { low: true, high: false };
    this.resets += 1;
  }

  counts(): InterruptCounts {
    return { ...this.delivered, lost: this.lost, late: this.late };
  }

  /** Usage changed. */
  update(usedBytes: number): void {
    if (this.armed.low && usedBytes > this.marks.lowBytes) {
      this.armed = { low: false, high: true };
      this.raise('low');
    } else if (this.armed.high && usedBytes < this.marks.highBytes) {
      this.armed = { low: true, high: false };
      this.raise('high');
    }
  }

  private raise(kind: ThresholdKind): void {
    const { lossProbability, lateProbability, lateNs, deadFromNs } = this.settings.interruptFaults;
    const isLost = this.chance.chance(lossProbability);
    if (isLost || this.clock.now >= deadFromNs) {
      this.lost += 1;
      return;
    }
    const isLate = this.chance.chance(lateProbability);
    if (isLate) this.late += 1;
    const delayNs = this.settings.interruptNs + (isLate ? lateNs : 0);
    const { resets } = this;
    this.clock.after(delayNs, () => {
      if (resets === this.resets) this.deliver(kind);
    });
  }

  private deliver(kind: ThresholdKind): void {
    this.delivered[kind] += 1;
    const vector = kind === 'low' ? LOW_THRESHOLD_VECTOR : HIGH_THRESHOLD_VECTOR;
    if (this.tracepoint.enabled) this.tracepoint.emit(this.nid, vector);
    for (const handler of this.handlers) handler(kind);
  }
}
