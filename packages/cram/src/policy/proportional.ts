import { OptionCheck } from '@mm-lab/mm-core';
import { CRAM_PRESSURE_MAX } from '../node.js';
import type { DeviceUsage, PressureController } from './pressure-controller.js';

const POLL_NS = 1_000_000;

/** Options of a proportional controller. */
export interface ProportionalOptions {
  /** Share of the capacity in use from which pressure rises, 0..1. */
  readonly from: number;
  /** Share at which it is at its largest, above `from`. */
  readonly to: number;
  /** Largest pressure; below 1000 the node is never closed. Default 1000. */
  readonly most?: number;
  /** Usage is read this often, in ns; 0: at interrupts only. Default 1,000,000. */
  readonly pollNs?: number;
}

/**
 * Pressure in proportion to the usage between two marks. It needs a device that tells its usage;
 * the posted driver reads none.
 *
 * @throws MmError DEVICE_BAD_OPTION
 */
export function proportional(options: ProportionalOptions): PressureController {
  const { from, to, most = CRAM_PRESSURE_MAX, pollNs = POLL_NS } = options;
  const check = new OptionCheck('proportional');
  check.known(options, ['from', 'to', 'most', 'pollNs']);
  check.share('from', from);
  check.share('to', to);
  check.that(to > from, `to is ${to}, not above from, which is ${from}`);
  check.number('most', most, [0, CRAM_PRESSURE_MAX]);
  check.number('pollNs', pollNs, [0, Number.MAX_VALUE]);
  const pressure = (_cause: unknown, { usedBytes, capacityBytes }: DeviceUsage): number => {
    const share = (usedBytes / capacityBytes - from) / (to - from);
    return Math.round(most * Math.min(1, Math.max(0, share)));
  };
  return { pollNs, pressure };
}
