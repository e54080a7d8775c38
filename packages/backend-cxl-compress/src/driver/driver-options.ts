import type { OptionCheck, PfnRange } from '@mm-lab/mm-core';

/** Where a driver plugs a device's memory. */
export interface DriverOptions {
  /** Name of the device's plugin. Default 'cxl0'. */
  readonly device?: string;
  /** A node of the machine with `online: false`. */
  readonly nid: number;
}

const NID_MAX = 63;
/** Pages of 52 bits of physical addresses. */
const PFN_MAX = 2 ** 40;

/** @throws MmError DEVICE_BAD_OPTION; `more` are the names of the driver's other options */
export function checkDriver(
  check: OptionCheck,
  options: DriverOptions,
  more: readonly string[] = [],
): void {
  check.known(options, ['device', 'nid', ...more]);
  checkNid(check, 'nid', options.nid);
  check.that(options.device !== '', 'device is empty');
}

/** @throws MmError DEVICE_BAD_OPTION, as all checks do */
export function checkNid(check: OptionCheck, option: string, nid: number): void {
  check.integer(option, nid, [0, NID_MAX]);
}

/** Host addresses of an entry of `option`. */
export function checkRange(check: OptionCheck, option: string, range: PfnRange): void {
  check.integer(`${option}.base`, range.base, [0, PFN_MAX]);
  check.integer(`${option}.pages`, range.pages, [0, PFN_MAX - range.base]);
}
