import type { CoherentHandle, DeviceCoherentPlugin } from '@mm-lab/backend-device-coherent';
import type { MirrorResult, MmStruct } from '@mm-lab/mm-core';
import type { HmmHandle, HmmUnits } from './hmm-unit.js';

/** Number of the first coherent unit; those before it have no memory of their own here. */
const FIRST = 2;

/**
 * Units on private nodes. Those that would be private memory share the first device's mirror: they
 * are only opened to reach system memory.
 */
export class CoherentUnits implements HmmUnits {
  constructor(private readonly plugins: readonly DeviceCoherentPlugin[]) {}

  open(unit: number, mm: MmStruct): HmmHandle | null {
    const plugin = this.plugins[Math.max(0, unit - FIRST)];
    return plugin === undefined ? null : new CoherentUnit(plugin.open(mm));
  }
}

class CoherentUnit implements HmmHandle {
  constructor(private readonly handle: CoherentHandle) {}

  read(start: number, end: number, helper: ((vpn: number) => boolean) | null): MirrorResult {
    return this.handle.mirror.read(start, end, helper);
  }

  write(start: number, end: number, keyOf: (vpn: number) => number): MirrorResult {
    return this.handle.mirror.write(start, end, keyOf);
  }

  toDevice(start: number, end: number): MirrorResult {
    return this.handle.migrateToDevice(start, end);
  }

  toSystem(start: number, end: number): MirrorResult {
    return this.handle.migrateToSystem(start, end);
  }

  makeExclusive(start: number, end: number): MirrorResult {
    return this.handle.mirror.makeExclusive(start, end);
  }

  checkExclusive(start: number, end: number): number {
    return this.handle.mirror.checkExclusive(start, end);
  }

  snapshot(start: number, end: number): number[] | number {
    return this.handle.snapshot(start, end);
  }

  release(): void {
    this.handle.driver.evict();
  }

  /** The flag fails one destination. */
  setFlags(flags: number): void {
    let left = flags === 0 ? 0 : 1;
    this.handle.driver.failNext = () => left-- > 0;
  }

  close(): void {
    this.handle.close();
  }
}
