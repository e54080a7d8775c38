import { createToken, type Plugin, type ThresholdKind } from '@mm-lab/mm-core';
import { CRAM_PRESSURE_MAX } from '../node.js';

/** How full a device is, as its driver reads it. */
export interface DeviceUsage {
  readonly usedBytes: number;
  readonly capacityBytes: number;
}

/** Usage at which the device shall interrupt, in bytes. */
export interface ThresholdMarks {
  /** A 'low' interrupt when usage rises above it: little is left. */
  readonly lowBytes: number;
  /** A 'high' one when usage falls below it; null: none. */
  readonly highBytes: number | null;
}

/** Why a controller is asked: an interrupt came, or the time to read the usage. */
export type PressureCause = ThresholdKind | 'poll';

/**
 * Turns what a driver learns of its device into the one number that CRAM understands
 * (`cram_set_pressure`). The RFC's driver has the simplest one, `bangBang`.
 */
export interface PressureController {
  /** The usage is read this often, in ns; 0: only when an interrupt comes. */
  readonly pollNs: number;
  /** @returns the pressure from now on, 0..CRAM_PRESSURE_MAX */
  pressure(cause: PressureCause, usage: DeviceUsage): number;
  /**
   * Marks to program into the device, asked at the start and after each interrupt. Absent or null:
   * the device keeps its own.
   */
  marks?(capacityBytes: number): ThresholdMarks | null;
}

/** Makes a controller for each node that a driver registers. */
export interface PressurePolicy {
  controllerFor(nid: number): PressureController;
}
export const PressurePolicyToken = createToken<PressurePolicy>('PressurePolicy');

/** Plugin: drivers use these controllers. Give it `bangBang`, `proportional(…)` or your own. */
export function pressurePolicy(make: (nid: number) => PressureController): Plugin {
  return {
    name: 'pressure-policy',
    register: (services) => services.bindValue(PressurePolicyToken, { controllerFor: make }),
  };
}

/** What the driver of RFC v4 patch 27 does: everything when little is left, nothing otherwise. */
export function bangBang(): PressureController {
  return {
    pollNs: 0,
    pressure: (cause) => (cause === 'low' ? CRAM_PRESSURE_MAX : 0),
  };
}
