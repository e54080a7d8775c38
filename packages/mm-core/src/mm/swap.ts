import { EBUSY, ENODEV, ENOMEM } from '../abi/errno.js';
import { PG_dirty, PG_swapcache } from '../abi/page-flags.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Folios, FoliosToken } from './folio.js';
import { type PageIo, PageIoToken } from './page-io.js';
import type { ReadReason } from './swap-backend.js';
import { type SwapCache, SwapCacheToken } from './swap-cache.js';
import { type SwapDevice, SwapDeviceToken } from './swap-device.js';
import type { SwapFront } from './swap-front.js';
import { type Zswap, ZswapToken } from './zswap.js';

/** The device's first page is its header, so slot 0 is its page 1 (swp_offset). */
const HEADER_PAGES = 1;

/** A slot that is in use. */
export interface SlotUse {
  readonly slot: number;
  /** Page-table entries and files that name it. */
  readonly entries: number;
  /** Folio in the swap cache, or -1. */
  readonly folio: number;
  /** Is its page noted as zeroes, in zswap, or on the device? */
  readonly isHeld: boolean;
}

/**
 * Swap slots and the swap cache (mm/swapfile.c, mm/swap_state.c). A slot is free, or used: by
 * entries that name it (`entries`), by a folio in the swap cache, or both. Simplified: one
 * device; a large folio takes slots that were never used, one after the other; a write is
 * finished when it is charged.
 */
@injectable()
export class Swap {
  private readonly entries: Uint16Array;
  /** Group that each slot in use is charged to. */
  private readonly owners: Uint8Array;
  /** What eviction left of the page of each slot that has no folio in the cache. */
  private readonly shadows: Float64Array;
  private readonly spare: number[] = [];
  private untouched = 0;
  private usedCount = 0;
  /** Is the device swapped on? Only then slots are given out. */
  private isOn = true;
  /** Who takes pages before the device does; set by a plugin. */
  front: SwapFront | null = null;

  constructor(
    @inject(SwapDeviceToken) private readonly device: SwapDevice,
    @inject(SwapCacheToken) private readonly cache: SwapCache,
    @inject(PageIoToken) private readonly io: PageIo,
    @inject(ZswapToken) private readonly zswap: Zswap,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
  ) {
    this.entries = new Uint16Array(device.slots);
    this.owners = new Uint8Array(device.slots);
    this.shadows = new Float64Array(device.slots);
  }

  /** Slots in use. */
  used(): number {
    return this.usedCount;
  }

  /** Slots of the device that is swapped on; 0 without one (total_swap_pages). */
  total(): number {
    return this.isOn ? this.device.slots : 0;
  }

  /** swapon(2). @returns 0; -EBUSY if it is on; -ENODEV without a device */
  swapon(): number {
    if (this.device.slots === 0) return -ENODEV;
    if (this.isOn) return -EBUSY;
    this.isOn = true;
    return 0;
  }

  /** No more slots are given out; those in use stay until they are freed (`Swapoff`). */
  stopAllocating(): void {
    this.isOn = false;
  }

  /** Is a slot to be had (get_nr_swap_pages > 0)? */
  hasSpace(): boolean {
    return this.isOn && this.usedCount < this.device.slots;
  }

  /** Slots that are not in use (get_nr_swap_pages). */
  free(): number {
    return this.isOn ? this.device.slots - this.usedCount : 0;
  }

  /** Slots that a group may still take; null = no limit (mem_cgroup_get_nr_swap_pages). */
  pagesFor(memcg: MemCgroup | null): number {
    let pages = this.free();
    for (let at = memcg; at !== null; at = at.parent) {
      pages = Math.min(pages, Math.max(0, at.swap.max - at.swap.usage));
    }
    return pages;
  }

  /** More than half full (include/linux/swap.h:vm_swap_full). */
  isFull(): boolean {
    return (this.device.slots - this.usedCount) * 2 < this.device.slots;
  }

  /** The same, or a group's share of it is (mem_cgroup_swap_full). */
  isFullFor(memcg: MemCgroup): boolean {
    for (let at: MemCgroup | null = memcg; at !== null; at = at.parent) {
      const { usage, high, max } = at.swap;
      if (at.parent !== null && usage * 2 >= Math.min(high, max)) return true;
    }
    return this.isFull();
  }

  get synchronous(): boolean {
    return this.device.synchronous;
  }

  /** Does the device turn, so that what lies together on it is read fast together? */
  get rotational(): boolean {
    return this.device.rotational;
  }

  /** Page of the device that a slot is (swp_offset). */
  offsetOf(slot: number): number {
    return slot + HEADER_PAGES;
  }

  /** May a large folio come back whole? Not where zswap may have some of its pages. */
  get bringsLargeIn(): boolean {
    return this.device.synchronous && !this.zswap.everEnabled;
  }

  /**
   * Gives a folio a slot and puts it in the swap cache with one more reference (folio_alloc_swap).
   */
  allocSlot(folio: number): number {
    const memcg = this.memcgs.of(folio);
    if (!this.hasSpace()) {
      memcg.swapEvents.fail++;
      return -ENOMEM;
    }
    if (!this.chargeSwap(memcg, 1)) return -ENOMEM;
    const slot = this.takeSlot(memcg);
    this.cache.add(slot, folio);
    this.table.set(folio, PG_swapcache | PG_dirty);
    this.folios.get(folio);
    return slot;
  }

  /** Slot of a folio in the swap cache. */
  slotOf(folio: number): number {
    return this.cache.slotOf(folio);
  }

  /** Group that a slot is charged to; null = the root (lookup_swap_cgroup_id). */
  memcgOf(slot: number): MemCgroup | null {
    const memcg = this.memcgs.get(this.owners[slot]!);
    return memcg.parent === null ? null : memcg;
  }

  /** Folio that the swap cache has for a slot, or -1 (swap_cache_get_folio). */
  folioOf(slot: number): number {
    return this.cache.folioOf(slot);
  }

  /**
   * A folio of the swap cache moved to another frame (folio_migrate_mapping); the reference moves
   * too.
   */
  replaceFolio(src: number, dst: number): void {
    this.cache.add(this.cache.remove(src), dst);
    this.table.clear(src, PG_swapcache);
    this.table.set(dst, PG_swapcache);
    this.folios.get(dst);
    this.folios.put(src);
  }

  /**
   * Hands a page that nobody maps to the front, which may take its place in the swap cache with
   * another. @returns the other page, or -1
   */
  giveToFront(folio: number): number {
    const fresh = this.front?.take(folio) ?? -1;
    if (fresh < 0) return fresh;
    this.replaceFolio(folio, fresh);
    this.table.set(fresh, PG_dirty);
    this.folios.put(fresh);
    return fresh;
  }

  /** One more entry names the slot (swap_duplicate). */
  duplicate(slot: number): void {
    this.entries[slot]! += 1;
  }

  /** An entry that named the slot is gone (swap_free). */
  freeEntry(slot: number): void {
    assert(this.entries[slot]! > 0, 'a swap entry is freed once');
    this.entries[slot]! -= 1;
    this.releaseIfUnused(slot);
  }

  /** Entries that name the slot; none names one behind the end of the device. */
  entryCount(slot: number): number {
    return this.entries[slot] ?? 0;
  }

  /** Writes the folio to its slot (swap_writeout). @returns 0 or -errno */
  writeout(folio: number): number {
    const rc = this.io.write(folio, [this.slotOf(folio)]);
    if (rc === 0) this.table.clear(folio, PG_dirty);
    return rc;
  }

  /** May a block of so many pages begin at a slot (thp_swap_suitable_orders)? */
  isBlockStart(slot: number, pages: number): boolean {
    return this.offsetOf(slot) % pages === 0;
  }

  /** Does a slot stand for zeroes that were not written (swap_zeromap_batch)? */
  isZero(slot: number): boolean {
    return this.io.isZero(slot);
  }

  /**
   * Writes a large folio to as many slots, not through the swap cache: its caller names them in
   * every entry before anybody can look. @returns the slots, or null without room for all
   */
  writeLarge(folio: number): readonly number[] | null {
    const pages = this.table.nrPages(folio);
    const memcg = this.memcgs.of(folio);
    if (this.free() < pages || !this.chargeSwap(memcg, pages)) return null;
    const slots: number[] = [];
    const inRow = this.alignUntouched(pages);
    for (let at = 0; at < pages; at++)
      slots.push(inRow ? this.nextSlot(memcg) : this.takeSlot(memcg));
    if (this.io.write(folio, slots) === 0) return slots;
    for (const slot of slots) this.releaseIfUnused(slot);
    return null;
  }

  /** Reads a slot into a fresh page (swap_read_folio). */
  read(slot: number, pfn: number, why: ReadReason): void {
    this.io.read(slot, pfn, why);
  }

  /** Fills a page with what was written to a slot; nobody counts it as read. */
  fill(slot: number, pfn: number): void {
    this.io.fill(slot, pfn);
  }

  /** The slot's page was evicted without the swap cache. */
  leaveShadow(slot: number, shadow: number): void {
    this.shadows[slot] = shadow;
  }

  /** What eviction left of a slot's page; it is asked once. */
  takeShadow(slot: number): number {
    const shadow = this.shadows[slot]!;
    this.shadows[slot] = 0;
    return shadow;
  }

  /**
   * Keeps a folio that was just read in the swap cache, clean; takes a reference
   * (swap_cache_add_folio).
   */
  cacheFolio(slot: number, folio: number): void {
    assert(this.shadows[slot] === 0, 'a folio in the cache takes the place of its shadow');
    this.cache.add(slot, folio);
    this.table.set(folio, PG_swapcache);
    this.folios.get(folio);
  }

  /**
   * Takes a folio out of the swap cache if no entry needs the slot (folio_free_swap). @returns did
   * it?
   */
  freeSwap(folio: number): boolean {
    if (this.entries[this.slotOf(folio)] !== 0) return false;
    this.deleteFromCache(folio);
    this.table.set(folio, PG_dirty);
    return true;
  }

  /**
   * Takes a folio out of the swap cache; the slot stays while entries name it
   * (delete_from_swap_cache).
   * @param shadow what stays in its place (`Workingset`)
   */
  deleteFromCache(folio: number, shadow = 0): void {
    const slot = this.cache.remove(folio);
    this.shadows[slot] = shadow;
    this.table.clear(folio, PG_swapcache);
    this.releaseIfUnused(slot);
    this.folios.put(folio);
  }

  /** Slots in use, each with what uses it and whether it holds a page, for `verify`. */
  *inUse(): IterableIterator<SlotUse> {
    for (let slot = 0; slot < this.untouched; slot++) {
      const isHeld = this.io.holds(slot);
      const use = { slot, entries: this.entries[slot]!, folio: this.folioOf(slot), isHeld };
      if (use.entries > 0 || use.folio >= 0) yield use;
    }
  }

  /**
   * Makes the next untouched slot one at which a block of so many may begin (cluster_alloc_range).
   * Simplified: slots that were used once make up no block again. @returns is there room for it?
   */
  private alignUntouched(pages: number): boolean {
    const first = Math.ceil((this.untouched + HEADER_PAGES) / pages) * pages - HEADER_PAGES;
    if (first + pages > this.device.slots) return false;
    while (this.untouched < first) this.spare.push(this.untouched++);
    return true;
  }

  private takeSlot(memcg: MemCgroup): number {
    const slot = this.spare.pop();
    return slot === undefined ? this.nextSlot(memcg) : this.own(slot, memcg);
  }

  private nextSlot(memcg: MemCgroup): number {
    return this.own(this.untouched++, memcg);
  }

  private own(slot: number, memcg: MemCgroup): number {
    this.usedCount++;
    this.owners[slot] = memcg.id;
    return slot;
  }

  /** Slots for the group, if memory.swap.max allows it (mem_cgroup_try_charge_swap). */
  private chargeSwap(memcg: MemCgroup, pages: number): boolean {
    if (memcg.parent === null || memcg.swap.tryCharge(pages) === null) return true;
    memcg.swapEvents.max++;
    memcg.swapEvents.fail++;
    return false;
  }

  private releaseIfUnused(slot: number): void {
    if (this.entries[slot] !== 0 || this.folioOf(slot) >= 0) return;
    this.io.release(slot);
    this.shadows[slot] = 0;
    const memcg = this.memcgs.get(this.owners[slot]!);
    if (memcg.parent !== null) memcg.swap.uncharge(1);
    this.owners[slot] = 0;
    this.spare.push(slot);
    this.usedCount--;
  }
}
export const SwapToken = createToken<Swap>('Swap');
