import { OptionCheck } from '@mm-lab/mm-core';
import { CRAM_PRESSURE_MAX } from '../node.js';
import type { PressureController, ThresholdMarks } from './pressure-controller.js';

/** One phase: how hard to press, and where it ends. */
export interface Phase {
  readonly pressure: number;
  /** Share of the capacity in use above which the next phase begins, 0..1. */
  readonly until: number;
  /** Share below which the phase before it returns. */
  readonly back: number;
}

/**
 * Four phases, each with marks closer to the capacity than those before. The last closes the node.
 */
export const FOUR_PHASES: readonly Phase[] = [
  { pressure: 0, until: 0.7, back: 0 },
  { pressure: 250, until: 0.8, back: 0.65 },
  { pressure: 500, until: 0.88, back: 0.75 },
  { pressure: CRAM_PRESSURE_MAX, until: 1, back: 0.84 },
];

/**
 * The dynamic watermark mode that the message of RFC v4 patch 27 describes and its code has not:
 * after each interrupt the driver programs the next pair of marks. Simplified: the message gives
 * no marks and no pressures, those of `FOUR_PHASES` are ours.
 *
 * @throws MmError DEVICE_BAD_OPTION
 */
export function fourPhase(phases: readonly Phase[] = FOUR_PHASES): PressureController {
  let phase = checkedFirst(phases);
  let at = 0;
  const move = (by: 1 | -1): void => {
    const next = phases[at + by];
    if (next === undefined) return;
    at += by;
    phase = next;
  };
  return {
    pollNs: 0,
    pressure(cause) {
      if (cause === 'low') move(1);
      if (cause === 'high') move(-1);
      return phase.pressure;
    },
    marks(capacityBytes): ThresholdMarks {
      const { until, back } = phase;
      return {
        lowBytes: Math.floor(until * capacityBytes),
        highBytes: at === 0 ? null : Math.floor(back * capacityBytes),
      };
    },
  };
}

function checkedFirst(phases: readonly Phase[]): Phase {
  const check = new OptionCheck('four-phase');
  const [first] = phases;
  if (first === undefined) return check.fail('there are no phases');
  let before = 0;
  for (const one of phases) {
    check.known(one, ['pressure', 'until', 'back']);
    const { pressure, until, back } = one;
    check.number('pressure', pressure, [0, CRAM_PRESSURE_MAX]);
    check.share('until', until);
    check.share('back', back);
    check.that(until > before, `until is ${until}, not above ${before}`);
    check.that(back < until, `back is ${back}, not below until, which is ${until}`);
    before = until;
  }
  return first;
}
