import { EINVAL } from '../abi/errno.js';
import { ZONE_MOVABLE, ZONE_NORMAL } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { MIN_PERCPU_PAGELIST_HIGH_FRACTION, pagesetOf } from '../mem/per-cpu-pages.js';
import {
  boostMaxOf,
  calculateMinFreeKbytes,
  freeBufferPages,
  recommendedMinFreeKbytes,
  setupLowmemReserve,
  setupZoneWmarks,
} from '../mem/watermarks.js';
import { Sysctl } from './sysctl.js';

/**
 * vm.min_free_kbytes and the marks that follow from it (mm/page_alloc.c).
 *
 * The value is the kernel's formula, or what khugepaged raises it to, or what the user wrote; a
 * user's value above the formula survives hotplug.
 */
@injectable()
export class Watermarks {
  private readonly site = Sites.index('page_alloc.__setup_per_zone_wmarks');
  /** Now in force, in kB (min_free_kbytes). */
  minFreeKbytes = 0;
  /** vm.lowmem_reserve_ratio by zone type, that of ZONE_DEVICE last. */
  readonly lowmemReserveRatio = [256, 256, 32, 0, 0];
  /** Does khugepaged ask for its share when marks are computed anew? */
  private raisedByKhugepaged = false;

  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(Sysctl) private readonly sysctl: Sysctl,
  ) {}

  /**
   * The boot is over: the marks of all its memory, computed once.
   * @param kbytes the value that khugepaged left when it started, if it did
   */
  boot(kbytes?: number): void {
    this.minFreeKbytes = this.sysctl.min_free_kbytes;
    for (const zone of this.nodes.zones) zone.setWatermarks(0, 0);
    this.recompute();
    if (kbytes === undefined) return;
    this.raisedByKhugepaged = true;
    this.minFreeKbytes = kbytes;
    this.setup();
  }

  /** After memory came or went (init_per_zone_wmark_min): a user's larger value stands. */
  recompute(): void {
    const formula = calculateMinFreeKbytes(freeBufferPages(this.nodes));
    if (formula > this.sysctl.min_free_kbytes) this.minFreeKbytes = formula;
    this.setup();
    if (!this.raisedByKhugepaged) return;
    const zones = this.nodes.zones.filter((zone) => zone.type <= ZONE_NORMAL && zone.managedPages);
    const recommended = recommendedMinFreeKbytes(zones.length, freeBufferPages(this.nodes));
    this.minFreeKbytes = Math.max(this.minFreeKbytes, recommended);
    this.setup();
  }

  /** A write to vm.min_free_kbytes (min_free_kbytes_sysctl_handler). */
  writeMinFreeKbytes(kbytes: number): void {
    this.sysctl.min_free_kbytes = kbytes;
    this.minFreeKbytes = kbytes;
    this.setup();
  }

  /** A write to vm.watermark_scale_factor, 1..3000. */
  writeScaleFactor(factor: number): void {
    this.sysctl.watermark_scale_factor = factor;
    this.setup();
  }

  /** A write to vm.watermark_boost_factor. */
  writeBoostFactor(factor: number): void {
    this.sysctl.watermark_boost_factor = factor;
    for (const zone of this.nodes.zones) zone.boostMax = boostMaxOf(zone, factor);
  }

  /**
   * A write to vm.percpu_pagelist_high_fraction.
   * @returns 0, or -EINVAL below the least that is not 0
   */
  writeHighFraction(fraction: number): number {
    if (fraction !== 0 && fraction < MIN_PERCPU_PAGELIST_HIGH_FRACTION) return -EINVAL;
    this.sysctl.percpu_pagelist_high_fraction = fraction;
    this.setup();
    return 0;
  }

  /** A write to vm.lowmem_reserve_ratio: as many ratios as it names. */
  writeLowmemReserveRatio(ratios: readonly number[]): void {
    ratios.forEach((ratio, at) => {
      if (at < this.lowmemReserveRatio.length) this.lowmemReserveRatio[at] = Math.max(0, ratio);
    });
    for (const pgdat of this.nodes.all()) setupLowmemReserve(pgdat, this.lowmemReserveRatio);
  }

  /** Marks and reserves of every zone (setup_per_zone_wmarks, setup_per_zone_lowmem_reserve). */
  setup(): void {
    let lowmem = 0;
    for (const zone of this.nodes.zones) {
      if (zone.type !== ZONE_MOVABLE) lowmem += zone.managedPages;
    }
    const pagesMin = this.minFreeKbytes >> 2;
    for (const pgdat of this.nodes.all()) {
      const policy = this.managed.node_private_reclaim_policy(this.site, pgdat.nid);
      for (const zone of pgdat.zones) {
        const share = Math.floor((pagesMin * zone.managedPages) / Math.max(1, lowmem));
        setupZoneWmarks(zone, share, this.sysctl.watermark_scale_factor);
        zone.boostMax = boostMaxOf(zone, this.sysctl.watermark_boost_factor);
        zone.pageset = pagesetOf(zone, {
          cpus: Math.max(1, pgdat.cpus || this.nodes.cpuCount()),
          fraction: this.sysctl.percpu_pagelist_high_fraction,
        });
        if (!policy.managed_watermarks) zone.watermarkBoost = 0;
      }
      setupLowmemReserve(pgdat, this.lowmemReserveRatio);
    }
  }
}
export const WatermarksToken = createToken<Watermarks>('Watermarks');
