import { EBUSY, ENODEV, ENOMEM } from '../abi/errno.js';
import { PG_dirty, PG_swapcache } from '../abi/page-flags.js';
import type { VmstatName } from '../abi/vmstat.js';
import { PAGE_SIZE } from '../abi/zone.js';
import { assert } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type Folios, FoliosToken } from './folio.js';
import { SwapBackend } from './swap-backend.js';
import { type Work, WorkToken } from './work.js';

/** A zero page of a zero folio: only noted. A zero page of another: a write that costs nothing. */
const UNWRITTEN = 1;
const WRITTEN_ZERO = 2;
/** The device's first page is its header, so slot 0 is its page 1. */
const HEADER_PAGES = 1;

/**
 * Swap slots and the swap cache (mm/swapfile.c, mm/swap_state.c). A slot is free, or used: by
 * entries that name it (`entries`), by a folio in the swap cache, or both. Simplified: one device,
 * base pages only, no readahead; a write is finished when it is charged.
 */
@injectable()
export class Swap {
  private readonly entries: Uint16Array;
  private readonly version: Int32Array;
  private readonly key: Int32Array;
  /** Folio in the swap cache, plus one. */
  private readonly cached: Int32Array;
  private readonly slotByFolio = new Map<number, number>();
  /** Slots whose page is all zeroes: UNWRITTEN in the zeromap, or WRITTEN_ZERO with a folio. */
  private readonly zeroes: Uint8Array;
  /** Group that each slot in use is charged to. */
  private readonly owners: Uint8Array;
  /** What eviction left of the page of each slot that has no folio in the cache. */
  private readonly shadows: Float64Array;
  private readonly spare: number[] = [];
  private untouched = 0;
  private usedCount = 0;
  /** Is the device swapped on? Only then slots are given out. */
  private isOn = true;

  constructor(
    @inject(SwapBackend) private readonly backend: SwapBackend,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
    @inject(WorkToken) private readonly work: Work,
  ) {
    this.entries = new Uint16Array(backend.slots);
    this.version = new Int32Array(backend.slots);
    this.key = new Int32Array(backend.slots);
    this.cached = new Int32Array(backend.slots);
    this.zeroes = new Uint8Array(backend.slots);
    this.owners = new Uint8Array(backend.slots);
    this.shadows = new Float64Array(backend.slots);
  }

  /** Slots in use. */
  used(): number {
    return this.usedCount;
  }

  /** Slots of the device that is swapped on; 0 without one (total_swap_pages). */
  total(): number {
    return this.isOn ? this.backend.slots : 0;
  }

  /** swapon(2). @returns 0; -EBUSY if it is on; -ENODEV without a device */
  swapon(): number {
    if (this.backend.slots === 0) return -ENODEV;
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
    return this.isOn && this.usedCount < this.backend.slots;
  }

  /** Slots that are not in use (get_nr_swap_pages). */
  free(): number {
    return this.isOn ? this.backend.slots - this.usedCount : 0;
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
    return (this.backend.slots - this.usedCount) * 2 < this.backend.slots;
  }

  get synchronous(): boolean {
    return this.backend.synchronous;
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
    this.cached[slot] = folio + 1;
    this.slotByFolio.set(folio, slot);
    this.table.set(folio, PG_swapcache | PG_dirty);
    this.folios.get(folio);
    return slot;
  }

  /** Slot of a folio in the swap cache. */
  slotOf(folio: number): number {
    const slot = this.slotByFolio.get(folio);
    assert(slot !== undefined, 'the folio is in the swap cache');
    return slot;
  }

  /** Group that a slot is charged to; null = the root (lookup_swap_cgroup_id). */
  memcgOf(slot: number): MemCgroup | null {
    const memcg = this.memcgs.get(this.owners[slot]!);
    return memcg.parent === null ? null : memcg;
  }

  /** Folio that the swap cache has for a slot, or -1 (swap_cache_get_folio). */
  folioOf(slot: number): number {
    return this.cached[slot]! - 1;
  }

  /**
   * A folio of the swap cache moved to another frame (folio_migrate_mapping); the reference moves
   * too.
   */
  replaceFolio(src: number, dst: number): void {
    const slot = this.slotOf(src);
    this.slotByFolio.delete(src);
    this.slotByFolio.set(dst, slot);
    this.cached[slot] = dst + 1;
    this.table.clear(src, PG_swapcache);
    this.table.set(dst, PG_swapcache);
    this.folios.get(dst);
    this.folios.put(src);
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

  /** Entries that name the slot. */
  entryCount(slot: number): number {
    return this.entries[slot]!;
  }

  /** Writes the folio to its slot (swap_writeout). @returns 0 or -errno */
  writeout(folio: number): number {
    const rc = this.write(this.slotOf(folio), folio, this.table.key[folio] === 0);
    if (rc === 0) this.table.clear(folio, PG_dirty);
    return rc;
  }

  /** May a block of so many pages begin at a slot (thp_swap_suitable_orders)? */
  isBlockStart(slot: number, pages: number): boolean {
    return (slot + HEADER_PAGES) % pages === 0;
  }

  /** Does a slot stand for zeroes that were not written (swap_zeromap_batch)? */
  isZero(slot: number): boolean {
    return this.zeroes[slot] === UNWRITTEN;
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
    const isZero = slots.every((_, at) => this.table.key[folio + at] === 0);
    if (slots.every((slot, at) => this.write(slot, folio + at, isZero) === 0)) return slots;
    for (const slot of slots) this.releaseIfUnused(slot);
    return null;
  }

  /** @param isZero is the folio all zeroes, so that nothing need be written? */
  private write(slot: number, pfn: number, isZero: boolean): number {
    this.version[slot] = this.table.version[pfn]!;
    this.key[slot] = this.table.key[pfn]!;
    if (isZero) {
      this.zeroes[slot] = UNWRITTEN;
      this.event(pfn, 'swpout_zero');
    } else if (this.key[slot] === 0) {
      this.zeroes[slot] = WRITTEN_ZERO;
      this.event(pfn, 'pswpout');
    } else {
      const device = this.contents.deviceOf(pfn);
      if (device !== null) this.work.charge(device.readPageNs(pfn));
      const rc = this.backend.store(slot, this.key[slot]!);
      if (rc < 0) return rc;
      this.zeroes[slot] = 0;
      this.event(pfn, 'pswpout');
    }
    const tp = this.tracepoints.mm_swap_out;
    if (tp.enabled) tp.emit(slot, PAGE_SIZE);
    return 0;
  }

  /** Reads a slot into a fresh page (swap_read_folio). */
  read(slot: number, pfn: number): void {
    const before = this.work.soFar();
    if (this.zeroes[slot] === UNWRITTEN) {
      this.event(pfn, 'swpin_zero');
    } else {
      if (this.zeroes[slot] === 0) this.backend.load(slot);
      this.event(pfn, 'pswpin');
    }
    this.contents.put(pfn, this.version[slot]!, this.key[slot]!);
    const tp = this.tracepoints.mm_swap_in;
    if (tp.enabled) tp.emit(slot, this.work.soFar() - before);
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
    assert(this.cached[slot] === 0, 'the slot has no folio in the cache');
    assert(this.shadows[slot] === 0, 'a folio in the cache takes the place of its shadow');
    this.cached[slot] = folio + 1;
    this.slotByFolio.set(folio, slot);
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
    const slot = this.slotOf(folio);
    this.shadows[slot] = shadow;
    this.slotByFolio.delete(folio);
    this.cached[slot] = 0;
    this.table.clear(folio, PG_swapcache);
    this.releaseIfUnused(slot);
    this.folios.put(folio);
  }

  /** Slots in use, each with what uses it, for `verify`. */
  *inUse(): IterableIterator<{ slot: number; entries: number; folio: number }> {
    for (let slot = 0; slot < this.untouched; slot++) {
      const use = { slot, entries: this.entries[slot]!, folio: this.folioOf(slot) };
      if (use.entries > 0 || use.folio >= 0) yield use;
    }
  }

  /** Counted for the machine and for the page's group. */
  private event(pfn: number, name: VmstatName): void {
    this.vmstat.count(name);
    this.memcgs.countFolio(this.table.head(pfn), Vmstat.index(name), 1);
  }

  /**
   * Makes the next untouched slot one at which a block of so many may begin (cluster_alloc_range).
   * Simplified: slots that were used once make up no block again. @returns is there room for it?
   */
  private alignUntouched(pages: number): boolean {
    const first = Math.ceil((this.untouched + HEADER_PAGES) / pages) * pages - HEADER_PAGES;
    if (first + pages > this.backend.slots) return false;
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
    if (this.entries[slot] !== 0 || this.cached[slot] !== 0) return;
    if (this.zeroes[slot] === 0) this.backend.free(slot);
    this.zeroes[slot] = 0;
    this.shadows[slot] = 0;
    const memcg = this.memcgs.get(this.owners[slot]!);
    if (memcg.parent !== null) memcg.swap.uncharge(1);
    this.owners[slot] = 0;
    this.spare.push(slot);
    this.usedCount--;
  }
}
export const SwapToken = createToken<Swap>('Swap');
