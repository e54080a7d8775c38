import { OptionCheck } from '@mm-lab/mm-core';
import { checkDriver, type DriverOptions } from './driver-options.js';

/** The compression driver of RFC v4 patch 27; every default is what was posted. */
export interface CompressionOptions extends DriverOptions {
  /**
   * Its committed RAM regions, each with its medium, of which it takes the first eight. Default
   * one: all of node `nid`, on `device`. None: it makes one there, of the device's pages rounded
   * down to 256 MB. Simplified: each region has a device model of its own, and each node one
   * region.
   */
  readonly regions?: readonly DriverOptions[];
  /**
   * Who scrubs freed pages? 'buffers' (posted): the driver's flush pipeline, later; 'none': CRAM
   * zeroes each at once.
   */
  readonly flush?: 'buffers' | 'none';
  /**
   * Rest of the flush thread between two flushes, in ms; module parameter. Default `flushPeriod` of
   * the machine's cost table (1000).
   */
  readonly flush_interval_ms?: number;
  /**
   * Ranges per flush buffer; module parameter. Default 0: as many as the mailbox's payload has room
   * for, which is also the most.
   */
  readonly flush_buf_size?: number;
  /** One RCU grace period, in ms. Default 10 (R: recalled; sweep 1 to 100). */
  readonly graceMs?: number;
  /**
   * A command that the driver gave up the device may still do. 'posted': its pages are zeroed by
   * the CPU and given back at once, so that the device later zeroes pages in use; 'mended': they
   * wait until doorbell and background status say that it has come to rest, if it ever does.
   */
  readonly lateCommands?: 'posted' | 'mended';
  /**
   * Order of removal. 'posted': CRAM is unregistered, then the memory goes offline, which strands
   * what is on it; 'evacuate-first': the other way round. Both try for 60 seconds.
   */
  readonly teardown?: 'posted' | 'evacuate-first';
}

/** Filled in. */
export type CompressionSettings = Readonly<
  Required<Omit<CompressionOptions, 'flush_interval_ms'>> &
    Pick<CompressionOptions, 'flush_interval_ms'>
>;

const BUF_SIZE_MAX = 1 << 16;

/** @throws MmError DEVICE_BAD_OPTION that names the option, its value and its range */
export function compressionSettingsOf(options: CompressionOptions): CompressionSettings {
  const { flush_interval_ms: interval, device = 'cxl0', nid } = options;
  const settings: CompressionSettings = {
    device,
    nid,
    regions: options.regions ?? [{ device, nid }],
    flush: options.flush ?? 'buffers',
    ...(interval === undefined ? {} : { flush_interval_ms: interval }),
    flush_buf_size: options.flush_buf_size ?? 0,
    graceMs: options.graceMs ?? 10,
    lateCommands: options.lateCommands ?? 'posted',
    teardown: options.teardown ?? 'posted',
  };
  const check = new OptionCheck('cxl-compression');
  checkDriver(check, options, [...Object.keys(settings), 'flush_interval_ms']);
  for (const region of settings.regions) checkDriver(check, region);
  check.word('flush', settings.flush, ['buffers', 'none']);
  check.word('lateCommands', settings.lateCommands, ['posted', 'mended']);
  check.word('teardown', settings.teardown, ['posted', 'evacuate-first']);
  check.number('flush_interval_ms', interval ?? 1, [1e-3, 1e9]);
  check.integer('flush_buf_size', settings.flush_buf_size, [0, BUF_SIZE_MAX]);
  check.number('graceMs', settings.graceMs, [0, 1e6]);
  return Object.freeze(settings);
}
