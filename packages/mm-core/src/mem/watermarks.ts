import { MAX_NR_ZONES, ZONE_MOVABLE } from '../abi/zone.js';
import type { Managed } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import type { Nodes } from './nodes.js';
import type { Pgdat } from './pgdat.js';

/** Ratios of mm/page_alloc.c:sysctl_lowmem_reserve_ratio by zone type. */
const LOWMEM_RESERVE_RATIO = [256, 256, 32, 0];

/** The sysctls that set the marks. */
export interface WatermarkSysctls {
  /** vm.min_free_kbytes; 0 = the kernel's formula. */
  readonly min_free_kbytes: number;
  /** vm.watermark_scale_factor, in units of 0.01 %. */
  readonly watermark_scale_factor: number;
}

/** clamp(int_sqrt(16 * lowmem_kB), 128, 262144) (mm/page_alloc.c:calculate_min_free_kbytes). */
export function calculateMinFreeKbytes(lowmemPages: number): number {
  const kbytes = lowmemPages * 4;
  return Math.min(262144, Math.max(128, Math.floor(Math.sqrt(16 * kbytes))));
}

/**
 * Recomputes the marks and reserves of every zone (setup_per_zone_wmarks,
 * setup_per_zone_lowmem_reserve).
 */
export function setupPerZoneWmarks(
  nodes: Nodes,
  managed: Managed,
  sysctls: WatermarkSysctls,
): void {
  let lowmem = 0;
  for (const zone of nodes.zones) if (zone.type !== ZONE_MOVABLE) lowmem += zone.managedPages;
  const kbytes = Math.max(sysctls.min_free_kbytes, calculateMinFreeKbytes(lowmem));
  const pagesMin = kbytes >> 2;
  const site = Sites.index('page_alloc.__setup_per_zone_wmarks');
  for (const pgdat of nodes.all()) {
    const policy = managed.node_private_reclaim_policy(site, pgdat.nid);
    for (const zone of pgdat.zones) {
      const share = Math.floor((pagesMin * zone.managedPages) / Math.max(1, lowmem));
      const movableMin = Math.min(128, Math.max(32, Math.floor(zone.managedPages / 1024)));
      const min = zone.type === ZONE_MOVABLE ? movableMin : share;
      const scaled = Math.floor((zone.managedPages * sysctls.watermark_scale_factor) / 10000);
      zone.setWatermarks(min, Math.max(share >> 2, scaled));
      if (!policy.managed_watermarks) zone.watermarkBoost = 0;
    }
    setupLowmemReserve(pgdat);
  }
}

/**
 * Zone i keeps reserve[j] pages from requests that could use the higher zone j of the same node.
 */
function setupLowmemReserve(pgdat: Pgdat): void {
  for (const zone of pgdat.zones) {
    const ratio = LOWMEM_RESERVE_RATIO[zone.type]!;
    for (let j = 0; j < MAX_NR_ZONES; j++) {
      let higher = 0;
      for (const other of pgdat.zones) {
        if (other.type > zone.type && other.type <= j) higher += other.managedPages;
      }
      const usable = ratio > 0 && zone.managedPages > 0 && j > zone.type;
      zone.lowmemReserve[j] = usable ? Math.floor(higher / ratio) : 0;
    }
  }
}
