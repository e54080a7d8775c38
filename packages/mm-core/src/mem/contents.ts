import { createToken } from '../base/di.js';
import type { MemoryDevice } from '../hooks/memory-device.js';
import type { PageData } from '../hooks/page-data.js';
import { type FolioTable, VERSION_LOST, VERSION_ZERO } from './folio-table.js';
import type { Nodes } from './nodes.js';

/**
 * What pages hold. Contents have an identity (`version`, the machine-wide number of the store that
 * made them) and a name of bytes (`key`). Every change of a frame's contents goes through here, so
 * that a device sees every store to its pages.
 */
export class Contents {
  /** Progress of the program, 0..1: contents may drift with it. Set by the access engine. */
  progress = 0;
  private versionNext = 1;
  /**
   * Told when a frame changed without a store through the page table (poison, a device's doing).
   */
  onChangedBehind: (pfn: number) => void = () => undefined;

  constructor(
    private readonly table: FolioTable,
    private readonly nodes: Nodes,
    private readonly data: PageData,
  ) {}

  /** A program stores to virtual page `vpn`: new contents. @returns their identity */
  store(pfn: number, vpn: number): number {
    const version = this.versionNext++;
    this.put(pfn, version, this.data.keyOf(vpn, version, this.progress));
    return version;
  }

  /** A device stores bytes that have a name already. @returns the identity of the contents */
  storeKey(pfn: number, key: number): number {
    const version = this.versionNext++;
    this.put(pfn, version, key);
    return version;
  }

  /** Progress at the last store through an entry; whoever plays a trace knows it. */
  lastStoreProgress: (slot: number) => number = () => this.progress;

  /**
   * Somebody is about to read a frame that was stored to, unseen, since its contents were last
   * named: name the bytes of its last store. The identity stays.
   */
  settle(pfn: number, vpn: number, slot: number): void {
    const version = this.table.version[pfn]!;
    if (version <= 0) return;
    this.table.key[pfn] = this.data.keyOf(vpn, version, this.lastStoreProgress(slot));
  }

  /** dst becomes a copy of src (copy_highpage). */
  copy(dst: number, src: number): void {
    this.put(dst, this.table.version[src]!, this.table.key[src]!);
  }

  /** clear_highpage. */
  zero(pfn: number): void {
    this.put(pfn, VERSION_ZERO, 0);
  }

  /** Contents from elsewhere (swap, a device buffer). */
  put(pfn: number, version: number, key: number): void {
    const device = this.deviceOf(pfn);
    this.table.version[pfn] = version;
    this.table.key[pfn] = key;
    if (device !== null && !device.store(pfn, key)) this.lose(pfn);
  }

  /** Does the page hold zeroes and nothing else? What is lost is poison, which is no zeroes. */
  isZeroes(pfn: number): boolean {
    return this.table.key[pfn] === 0 && this.table.version[pfn] !== VERSION_LOST;
  }

  /** The frame's contents are gone. */
  lose(pfn: number): void {
    this.table.version[pfn] = VERSION_LOST;
    this.table.key[pfn] = 0;
    this.onChangedBehind(pfn);
  }

  /** The host gives the page up: the device may forget it. */
  discard(pfn: number): void {
    this.table.version[pfn] = VERSION_ZERO;
    this.table.key[pfn] = 0;
    this.deviceOf(pfn)?.discard(pfn);
  }

  deviceOf(pfn: number): MemoryDevice | null {
    return this.nodes.pgdat(this.nodes.nidOf(pfn)).device;
  }
}
export const ContentsToken = createToken<Contents>('Contents');
