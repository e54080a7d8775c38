/** What the driver has done so far; pages unless it says otherwise. */
export interface DriverCounts {
  /** Faults on device-private entries. */
  faults: number;
  /** Of those, faults that found no RAM. */
  faultsOom: number;
  demoted: number;
  /** Demoted in the context of a reclaimer, through the shrinker. */
  demotedByShrinker: number;
  /** Brought back by faults. */
  promoted: number;
  /** Moved back to RAM by the driver itself. */
  evicted: number;
  /** Times that demotion was wanted and had no room, no device page, or a 'low' before it. */
  refused: number;
  /** Pages that dropped out of a migration: shared, pinned or locked by somebody. */
  droppedOut: number;
  /** Pages that the device could not keep after all; the source kept its data. */
  storeFailed: number;
  interruptsLow: number;
  interruptsHigh: number;
}

export function noCounts(): DriverCounts {
  return {
    faults: 0,
    faultsOom: 0,
    demoted: 0,
    demotedByShrinker: 0,
    promoted: 0,
    evicted: 0,
    refused: 0,
    droppedOut: 0,
    storeFailed: 0,
    interruptsLow: 0,
    interruptsHigh: 0,
  };
}
