import type { OptionCheck } from '@mm-lab/mm-core';

/** Where a driver plugs a device's memory. */
export interface DriverOptions {
  /** Name of the device's plugin. Default 'cxl0'. */
  readonly device?: string;
  /** A node of the machine with `online: false`. */
  readonly nid: number;
}

const NID_MAX = 63;

/** @throws MmError DEVICE_BAD_OPTION; `more` are the names of the driver's other options */
export function checkDriver(
  check: OptionCheck,
  options: DriverOptions,
  more: readonly string[] = [],
): void {
  check.known(options, ['device', 'nid', ...more]);
  check.integer('nid', options.nid, [0, NID_MAX]);
  check.that(options.device !== '', 'device is empty');
}
