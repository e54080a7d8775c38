import type { Dmirror, TestHmmPlugin } from '@mm-lab/backend-zone-device';
import type { MirrorResult, MmStruct } from '@mm-lab/mm-core';
import type { HmmHandle, HmmUnits } from './hmm-unit.js';

/** The units of the ZONE_DEVICE backend. */
export class ZoneDeviceUnits implements HmmUnits {
  constructor(
    private readonly plugin: TestHmmPlugin,
    private readonly count: number,
  ) {}

  open(unit: number, mm: MmStruct): HmmHandle | null {
    return unit < this.count ? new ZoneDeviceHandle(this.plugin.open(unit, mm)) : null;
  }
}

class ZoneDeviceHandle implements HmmHandle {
  constructor(private readonly dmirror: Dmirror) {}

  read(start: number, end: number, helper: ((vpn: number) => boolean) | null): MirrorResult {
    return this.dmirror.mirror.read(start, end, helper);
  }

  write(start: number, end: number, keyOf: (vpn: number) => number): MirrorResult {
    return this.dmirror.mirror.write(start, end, keyOf);
  }

  toDevice(start: number, end: number): MirrorResult {
    return this.dmirror.migrateToDevice(start, end);
  }

  toSystem(start: number, end: number): MirrorResult {
    return this.dmirror.migrateToSystem(start, end);
  }

  makeExclusive(start: number, end: number): MirrorResult {
    return this.dmirror.mirror.makeExclusive(start, end);
  }

  checkExclusive(start: number, end: number): number {
    return this.dmirror.mirror.checkExclusive(start, end);
  }

  snapshot(start: number, end: number): number[] | number {
    return this.dmirror.snapshot(start, end);
  }

  release(): void {
    this.dmirror.device.removeChunks();
  }

  setFlags(flags: number): void {
    this.dmirror.flags = flags;
  }

  close(): void {
    this.dmirror.close();
  }
}
