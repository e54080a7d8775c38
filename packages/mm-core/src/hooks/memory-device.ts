import type { Token } from '../base/di.js';

/** Why a threshold interrupt was raised. */
export type ThresholdKind = 'low' | 'high';

/**
 * A device that backs a range of pages and sees what the host does to them: every store (by a CPU,
 * a copy, a zeroing) and every page that is given up. Ordinary DRAM has none. What the device does
 * behind its back it reports through `DeviceBinding`. The core knows no more of a device than this.
 */
export interface MemoryDevice {
  readonly name: string;
  /** Latency of a load or store of one line that the device has to serve, in nanoseconds. */
  readonly lineNs: number;
  /** Bandwidth of copies in bytes per nanosecond; that of its node if it does not say. */
  readonly bytesPerNs?: number;
  /**
   * The pages of a node or page map are the device's from now on; a second time only after
   * `detach`. It may throw: nothing has changed yet.
   */
  attach(binding: DeviceBinding): void;
  /** The pages are gone, and what they held with them: the device may be attached again, empty. */
  detach(): void;
  /**
   * The host wrote page `pfn`: it now holds the bytes `key`.
   * @returns false if the device could not keep them (over capacity): the page is poisoned
   */
  store(pfn: number, key: number): boolean;
  /** The host gave the page up and the device may forget its bytes (a zero or trim command). */
  discard(pfn: number): void;
  /** Extra nanoseconds that reading the whole page takes now (queueing, decompression). */
  readPageNs(pfn: number): number;
  /** The same for a migration that copies a page to it; absent: 0. */
  writePageNs?(pfn: number): number;
  /**
   * Latency of the first access of a run to the page, in nanoseconds, where it depends on what was
   * touched before; the others take `lineNs`. A device that asks for this is told of every run, so
   * none of them is a hit of the access loop. Absent: all take `lineNs`.
   */
  readonly touchNs?: ((pfn: number) => number) | undefined;
}

/** What a device is told of the machine it is plugged into. */
export interface DeviceBinding {
  readonly nid: number;
  /** First pfn and number of pages of its range. */
  readonly base: number;
  readonly pages: number;
}

/** Real capacity of a compressing device, as a driver sees it. */
export interface CompressingDevice extends MemoryDevice {
  /** Bytes that the medium really has. */
  readonly capacityBytes: number;
  /** Bytes in use now. */
  usedBytes(): number;
  /** Pages that the host may address. */
  readonly logicalPages: number;
  /** Logical pages that hold bytes now (stored and not discarded). */
  storedPages(): number;
  /** Is what the page holds lost? */
  isPoisoned(pfn: number): boolean;
  /**
   * Calls `handler` when usage crosses a threshold: 'low' = little real capacity is left (usage
   * rose above the low mark), 'high' = enough again (usage fell below the high mark). The device's
   * latency lies between.
   */
  onThreshold(handler: (kind: ThresholdKind) => void): void;
  /**
   * Where it interrupts from now on, in bytes in use; usage beyond a mark interrupts at once. A
   * `highBytes` of null: at the low mark only. Absent: its marks are fixed.
   */
  programThresholds?(marks: { readonly lowBytes: number; readonly highBytes: number | null }): void;
  /** Bytes the page takes on the medium; 0 if nothing is stored. */
  storedBytes(pfn: number): number;
  /**
   * Calls `handler` with pages that it saw being used often, once an epoch (a hotness monitoring
   * unit of CXL 3.2). Absent: it does not watch.
   */
  onHot?: ((handler: (pfns: readonly number[]) => void) => void) | undefined;
}

/**
 * The token of the compressing device called `name`, the same symbol for every caller: a driver of
 * another package asks for the device by name and imports no backend.
 */
export function deviceToken(name: string): Token<CompressingDevice> {
  return Symbol.for(`mm-lab:device:${name}`) as Token<CompressingDevice>;
}
