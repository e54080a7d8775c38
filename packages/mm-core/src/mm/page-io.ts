import { EAGAIN } from '../abi/errno.js';
import { PG_anon, PG_dirty } from '../abi/page-flags.js';
import type { VmstatName } from '../abi/vmstat.js';
import { PAGE_SIZE, PMD_ORDER } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import type { ReadReason } from './swap-backend.js';
import { type SwapDevice, SwapDeviceToken } from './swap-device.js';
import { type Work, WorkToken } from './work.js';
import { type Zswap, ZswapToken } from './zswap.js';

/** Nothing was written, or zswap gave it back: only the folio in the swap cache has it, dirty. */
const NOWHERE = 0;
/** A zero page of a zero folio: only noted. */
const UNWRITTEN = 1;
/** A zero page of another folio: a write that costs nothing. */
const WRITTEN_ZERO = 2;
/** In zswap if that has it, else on the device. */
const WRITTEN = 3;
/**
 * What swap slots hold, and the way there and back (mm/page_io.c). Simplified: a write is finished
 * when it is charged.
 */
@injectable()
export class PageIo {
  private readonly version: Int32Array;
  private readonly key: Int32Array;
  /** Where the page of each slot can be had: one of the constants above. */
  private readonly place: Uint8Array;

  constructor(
    @inject(SwapDeviceToken) private readonly device: SwapDevice,
    @inject(ZswapToken) private readonly zswap: Zswap,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
    @inject(WorkToken) private readonly work: Work,
  ) {
    this.version = new Int32Array(device.slots);
    this.key = new Int32Array(device.slots);
    this.place = new Uint8Array(device.slots);
  }

  /** swap_writeout, for a folio of any size. @returns 0, or -errno: then it is in memory yet */
  write(folio: number, slots: readonly number[]): number {
    for (const [at, slot] of slots.entries()) {
      this.version[slot] = this.table.version[folio + at]!;
      this.key[slot] = this.table.key[folio + at]!;
      this.place[slot] = WRITTEN;
    }
    const rc = this.writeSomewhere(folio, slots);
    if (rc < 0) for (const slot of slots) this.place[slot] = NOWHERE;
    const tp = this.tracepoints.mm_swap_out;
    if (tp.enabled && rc === 0) for (const slot of slots) tp.emit(slot, PAGE_SIZE);
    return rc;
  }

  /** Noted as zeroes; else compressed in memory; else on the device. */
  private writeSomewhere(folio: number, slots: readonly number[]): number {
    if (slots.every((slot) => this.key[slot] === 0)) {
      for (const slot of slots) {
        this.place[slot] = UNWRITTEN;
        this.event(folio, 'swpout_zero');
      }
      return 0;
    }
    const keys = slots.map((slot) => this.key[slot]!);
    const memcg = this.memcgs.of(folio);
    const nid = this.nodes.nidOf(folio);
    this.chargeRead(folio, keys);
    const isAnon = this.table.has(folio, PG_anon);
    if (this.zswap.store({ slots, keys, memcg, nid, isAnon })) return 0;
    if (!this.zswap.mayWriteback(memcg)) return -EAGAIN;
    return this.writeToDevice(folio, slots, nid);
  }

  /** __swap_writepage; a huge page counts as one only here (count_swpout_vm_event). */
  private writeToDevice(folio: number, slots: readonly number[], nid: number): number {
    for (const slot of slots) {
      const key = this.key[slot]!;
      if (key === 0) this.place[slot] = WRITTEN_ZERO;
      const rc = key === 0 ? 0 : this.device.store(slot, key, nid);
      if (rc < 0) return rc;
      this.event(folio, 'pswpout');
      this.vmstat.count('pgpgout', PAGE_SIZE / 1024);
    }
    if (this.table.order[folio] === PMD_ORDER) this.event(folio, 'thp_swpout');
    return 0;
  }

  /** A device that holds the pages is read from first. */
  private chargeRead(folio: number, keys: readonly number[]): void {
    const device = this.contents.deviceOf(folio);
    if (device === null) return;
    keys.forEach((key, at) => {
      if (key !== 0) this.work.charge(device.readPageNs(folio + at));
    });
  }

  /**
   * Reads a slot into a fresh page (swap_read_folio). What zswap had is nowhere else afterwards, so
   * the page is dirty.
   */
  read(slot: number, pfn: number, why: ReadReason): void {
    const before = this.work.soFar();
    assert(this.place[slot] !== NOWHERE, `slot ${slot} holds a page`);
    if (this.place[slot] === UNWRITTEN) {
      this.event(pfn, 'swpin_zero');
    } else if (this.zswap.load(slot)) {
      this.place[slot] = NOWHERE;
      this.table.set(pfn, PG_dirty);
    } else {
      if (this.place[slot] === WRITTEN) this.device.load(slot, why);
      this.zswap.noteSwapin(this.memcgs.of(pfn), this.nodes.nidOf(pfn));
      this.event(pfn, 'pswpin');
      this.vmstat.count('pgpgin', PAGE_SIZE / 1024);
    }
    this.fill(slot, pfn);
    const tp = this.tracepoints.mm_swap_in;
    if (tp.enabled) tp.emit(slot, this.work.soFar() - before);
  }

  /** Fills a page with what was written to a slot; nobody counts it as read. */
  fill(slot: number, pfn: number): void {
    this.contents.put(pfn, this.version[slot]!, this.key[slot]!);
  }

  /** Does a slot stand for zeroes that were not written (swap_zeromap_batch)? */
  isZero(slot: number): boolean {
    return this.place[slot] === UNWRITTEN;
  }

  /** Is the page of a slot noted as zeroes, in zswap, or on the device? */
  holds(slot: number): boolean {
    const place = this.place[slot];
    if (place !== WRITTEN) return place !== NOWHERE;
    return this.zswap.has(slot) || this.device.has(slot);
  }

  /** The slot is free again. */
  release(slot: number): void {
    this.zswap.invalidate(slot);
    this.device.free(slot);
    this.place[slot] = NOWHERE;
  }

  /** Counted for the machine and for the page's group. */
  private event(pfn: number, name: VmstatName): void {
    this.vmstat.count(name);
    this.memcgs.countFolio(this.table.head(pfn), Vmstat.index(name), 1);
  }
}
export const PageIoToken = createToken<PageIo>('PageIo');
