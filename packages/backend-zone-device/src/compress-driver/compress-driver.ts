import {
  __GFP_DIRECT_RECLAIM,
  __GFP_NOWARN,
  __GFP_RETRY_MAYFAIL,
  assert,
  type CompressingDevice,
  EBUSY,
  GFP_HIGHUSER_MOVABLE,
  MmError,
  N_MEMORY,
  type Reclaimer,
  SHRINK_STOP,
  type ShrinkControl,
  type Shrinker,
} from '@mm-lab/mm-core';
import type { DevPagemap } from '../dev-pagemap.js';
import { MEMORY_DEVICE_PRIVATE } from '../memory-type.js';
import { ColdPages } from './cold-pages.js';
import { Demoter } from './demoter.js';
import { DevicePages } from './device-pages.js';
import { type DriverCounts, noCounts } from './driver-counts.js';
import type { DriverParts } from './driver-parts.js';
import { Evictor } from './evictor.js';
import { Headroom } from './headroom.js';
import { migrateToRam } from './migrate-to-ram.js';
import { RamPressure } from './ram-pressure.js';
import type { ZoneDeviceCompressSettings } from './zone-device-compress-options.js';

/** Passes of the evacuation before it gives up with -EBUSY. */
const EVACUATE_PASSES_MAX = 16;

/** State of one device under the driver: what the background thread and the shrinker share. */
export class CompressDriver implements Shrinker {
  readonly name: string;
  readonly counts: DriverCounts = noCounts();
  readonly pages: DevicePages;
  readonly headroom: Headroom;
  readonly pressure: RamPressure;
  readonly cold: ColdPages;
  private readonly pgmap: DevPagemap;
  private readonly demoter: Demoter;
  private readonly evictor: Evictor;

  /** @throws MmError NODE_REFUSED if the range can't become device memory */
  constructor(
    private readonly parts: DriverParts,
    private readonly device: CompressingDevice,
    readonly settings: ZoneDeviceCompressSettings,
  ) {
    this.name = settings.name;
    const pgmap = parts.memremap.memremapPages({
      name: settings.name,
      type: MEMORY_DEVICE_PRIVATE,
      nid: settings.nid,
      device,
      owner: this,
      ops: {
        folio_free: (folio) => this.folioFree(folio),
        migrate_to_ram: (vmf) => migrateToRam(parts, this.pgmap, this.counts, vmf),
      },
    });
    if (typeof pgmap === 'number') {
      const detail = `the range of node ${settings.nid} can't be device memory`;
      throw new MmError('NODE_REFUSED', { plugin: settings.name, errno: -pgmap, detail });
    }
    this.pgmap = pgmap;
    this.pages = new DevicePages(pgmap.base, Math.min(pgmap.pages, device.logicalPages));
    this.headroom = new Headroom(device, settings);
    this.pressure = new RamPressure(parts.nodes);
    this.cold = new ColdPages(parts);
    this.demoter = new Demoter(parts, pgmap, this.pages, this.headroom, this.counts);
    this.evictor = new Evictor(parts, this.pages, this.cold, this.counts);
  }

  /**
   * Looks for cold pages and moves them. @param nid only those of this node; -1 = any @returns
   * moved
   */
  demoteCold(entries: number, nid: number): number {
    const { batchPages } = this.settings;
    this.parts.work.charge(this.device.lineNs);
    const pages = this.demoter.room(batchPages);
    return this.demoter.demote(this.cold.search({ entries, pages, nid }));
  }

  /** Moves the ageing on by `ns` of time: one round each `lapNs`. */
  age(ns: number): void {
    const share = Math.min(1, ns / this.settings.lapNs);
    this.cold.grow(Math.ceil(share * this.residentPages()));
  }

  /** Is it time to evict: less than a batch fits, by bytes or by pages, or the device says so? */
  isScarce(): boolean {
    return this.headroom.isScarce() || this.pages.free < this.settings.batchPages;
  }

  /** Is there room for some batches again? */
  hasEnough(): boolean {
    return this.headroom.isEnough() && this.pages.free >= 2 * this.settings.batchPages;
  }

  /** Pages that were evicted go on to swap. */
  pageOut(): void {
    this.evictor.pageOut();
  }

  /** May a page go to the device now, for this reclaimer or for the background thread? */
  mayDemote(reclaimer: Reclaimer | 'background'): boolean {
    const stops = this.settings.lowStops === 'all' || reclaimer !== 'direct';
    const allowed = !(this.headroom.saidLow && stops) && this.demoter.room(1) > 0;
    if (!allowed) this.counts.refused += 1;
    return allowed;
  }

  /**
   * Evicts a batch if RAM has room for it: above the low mark where swap can take pages further,
   * else only where RAM is plentiful, since nothing on the device gets worse by waiting.
   * @returns pages moved
   */
  evictBatch(): number {
    const { nodes, swap, zoneAlloc } = this.parts;
    const { batchPages, stopFactor } = this.settings;
    const nid = nodes.inState(N_MEMORY).find((node) => {
      if (swap.hasSpace()) return this.pressure.hasRoom(node, batchPages);
      return this.pressure.slack(node, stopFactor) > batchPages;
    });
    if (nid === undefined) return 0;
    const gfp = (GFP_HIGHUSER_MOVABLE & ~__GFP_DIRECT_RECLAIM) | __GFP_NOWARN;
    const request = { gfp, order: 0, nid, nodemask: null };
    return this.evictor.evict(batchPages, request, (asked) => zoneAlloc.alloc(asked));
  }

  /**
   * Brings everything back to RAM and gives the range back, killing nobody.
   * @returns 0, or -EBUSY if RAM could not take it all: the rest stays on the device
   */
  unplug(): number {
    const { nodes, pageAlloc, memremap } = this.parts;
    const nid = nodes.inState(N_MEMORY)[0] ?? 0;
    const gfp = GFP_HIGHUSER_MOVABLE | __GFP_RETRY_MAYFAIL;
    const request = { gfp, order: 0, nid, nodemask: null };
    for (let idle = 0; this.pages.inUse > 0 && idle < EVACUATE_PASSES_MAX; ) {
      const moved = this.evictor.evict(this.settings.batchPages, request, (asked) =>
        pageAlloc.alloc(asked),
      );
      idle = moved > 0 ? 0 : idle + 1;
    }
    return this.pages.inUse > 0 ? -EBUSY : memremap.memunmapPages(this.pgmap);
  }

  /** Pages of RAM that address spaces have: each might be cold (shrinker.count_objects). */
  countObjects({ reclaimer }: ShrinkControl): number {
    if (!this.mayDemote(reclaimer)) return 0;
    return this.residentPages();
  }

  /** Pages of RAM that address spaces have; 0 if there are none. */
  residentPages(): number {
    let resident = 0;
    for (const mm of this.parts.mms.all()) resident += mm.rss;
    return Math.max(0, resident - this.pages.inUse);
  }

  /**
   * Looks at entries and moves the cold ones, as the reclaimer's own work (shrinker.scan_objects).
   */
  scanObjects({ nid, nrToScan, reclaimer }: ShrinkControl): number {
    if (!this.mayDemote(reclaimer)) return SHRINK_STOP;
    const moved = this.demoteCold(nrToScan, nid);
    this.counts.demotedByShrinker += moved;
    return moved;
  }

  /** Rechecks the driver's books against the page map's and the device's. */
  verify(): void {
    this.pages.verify();
    assert(this.pages.inUse === this.pgmap.allocated, 'driver and page map count the same pages');
    assert(this.device.storedPages() <= this.pages.inUse, 'a free device page holds nothing');
  }

  /** The page is free: the device may forget it, so that what comes next finds no old bytes. */
  private folioFree(folio: number): void {
    this.parts.contents.discard(folio);
    this.pages.give(folio);
  }
}
