import type { CompressingDevice } from '@mm-lab/mm-core';
import type { ZoneDeviceCompressSettings } from './zone-device-compress-options.js';

/**
 * How many pages may be stored without any risk. A page's compressed size is known only once it is
 * stored, so each counts as `storeBytesMax` beforehand. No latency of the device enters: the CPU
 * can't write to device-private pages, the driver is the only one that stores, and so usage can't
 * grow behind its back. That is what this way has and write-through memory has not (H2 with D_max
 * = 0: only the staging is left).
 */
export class Headroom {
  /** The device said 'low' and not 'high' since; late by the interrupt's latency. */
  saidLow = false;

  constructor(
    private readonly device: CompressingDevice,
    private readonly settings: ZoneDeviceCompressSettings,
  ) {}

  /** Pages that surely fit; reads the device's usage register. */
  pages(): number {
    const { reserveBytes, storeBytesMax } = this.settings;
    const room = this.device.capacityBytes - reserveBytes - this.device.usedBytes();
    return Math.max(0, Math.floor(room / storeBytesMax));
  }

  /** Is it time to evict: less than a batch fits, or the device says so? */
  isScarce(): boolean {
    if (this.lostHigh()) this.saidLow = false;
    return this.saidLow || this.pages() < this.settings.batchPages;
  }

  /** Is there room for some batches again, or for half the device if it is that small? */
  isEnough(): boolean {
    const { batchPages, reserveBytes, storeBytesMax } = this.settings;
    const half = (this.device.capacityBytes - reserveBytes) / (2 * storeBytesMax);
    return !this.saidLow && this.pages() >= Math.min(BATCHES_ENOUGH * batchPages, Math.floor(half));
  }

  /** A quarter of the device is free by our own books: a 'high' must have been lost. */
  private lostHigh(): boolean {
    const { reserveBytes } = this.settings;
    return this.device.usedBytes() + reserveBytes < this.device.capacityBytes * 0.75;
  }
}

/** Evicting stops when this many batches fit. */
const BATCHES_ENOUGH = 4;
