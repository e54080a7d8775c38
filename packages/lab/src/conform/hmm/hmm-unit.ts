import type { MirrorResult, MmStruct } from '@mm-lab/mm-core';

/**
 * An open handle of an HMM test device, whatever drives it. Ranges are virtual page numbers; what
 * fails answers with its -errno and nothing done.
 */
export interface HmmHandle {
  read(start: number, end: number, helper: ((vpn: number) => boolean) | null): MirrorResult;
  /** @param keyOf names the bytes of each page */
  write(start: number, end: number, keyOf: (vpn: number) => number): MirrorResult;
  toDevice(start: number, end: number): MirrorResult;
  toSystem(start: number, end: number): MirrorResult;
  makeExclusive(start: number, end: number): MirrorResult;
  checkExclusive(start: number, end: number): number;
  /** @returns a byte for each page, or -errno */
  snapshot(start: number, end: number): number[] | number;
  /** Evicts and gives back the device's chunks. */
  release(): void;
  /** HMM_DMIRROR_FLAG_*. */
  setFlags(flags: number): void;
  /** The last descriptor is closed. */
  close(): void;
}

/** The units of a machine. */
export interface HmmUnits {
  /** Opens a unit for an address space; null: there is no such unit. */
  open(unit: number, mm: MmStruct): HmmHandle | null;
}

/** A handle and its descriptors: children share them. */
export class HmmFile {
  private descriptors = 1;

  constructor(readonly handle: HmmHandle) {}

  share(): this {
    this.descriptors++;
    return this;
  }

  close(): void {
    this.descriptors--;
    if (this.descriptors === 0) this.handle.close();
  }
}
