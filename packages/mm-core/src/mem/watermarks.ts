import { N_MEMORY } from '../abi/node-states.js';
import {
  MAX_NR_ZONES,
  PAGEBLOCK_PAGES,
  WMARK_HIGH,
  ZONE_MOVABLE,
  ZONE_NORMAL,
} from '../abi/zone.js';
import type { Nodes } from './nodes.js';
import type { Pgdat } from './pgdat.js';
import type { Zone } from './zone.js';

/** Migratetypes that per-CPU lists keep apart (enum migratetype). */
const MIGRATE_PCPTYPES = 3;

/** clamp(int_sqrt(16 * lowmem_kB), 128, 262144) (mm/page_alloc.c:calculate_min_free_kbytes). */
export function calculateMinFreeKbytes(lowmemPages: number): number {
  const kbytes = lowmemPages * 4;
  return Math.min(262144, Math.max(128, Math.floor(Math.sqrt(16 * kbytes))));
}

/**
 * What khugepaged asks for so that huge pages can be made: two page blocks and one for each pair
 * of migratetypes in every zone, at most 5 % of low memory
 * (mm/khugepaged.c:set_recommended_min_free_kbytes).
 */
export function recommendedMinFreeKbytes(zones: number, bufferPages: number): number {
  const blocks = zones * (2 + MIGRATE_PCPTYPES * MIGRATE_PCPTYPES);
  return Math.min(PAGEBLOCK_PAGES * blocks, Math.floor(bufferPages / 20)) * 4;
}

/** Memory that kernel buffers may use, above its high marks (nr_free_buffer_pages). */
export function freeBufferPages(nodes: Nodes): number {
  let sum = 0;
  for (const zone of nodes.zones) {
    if (zone.type > ZONE_NORMAL || !nodes.hasState(zone.nid, N_MEMORY)) continue;
    sum += Math.max(0, zone.managedPages - zone.wmark(WMARK_HIGH));
  }
  return sum;
}

/**
 * The marks of a zone from its share of the reserve; a movable zone keeps few pages, but its share
 * still sets the step (mm/page_alloc.c:__setup_per_zone_wmarks).
 */
export function setupZoneWmarks(zone: Zone, share: number, scaleFactor: number): void {
  const movableMin = Math.min(128, Math.max(32, Math.floor(zone.managedPages / 1024)));
  const min = zone.type === ZONE_MOVABLE ? movableMin : share;
  const scaled = Math.floor((zone.managedPages * scaleFactor) / 10000);
  zone.setWatermarks(min, Math.max(share >> 2, scaled));
}

/**
 * Zone i keeps reserve[j] pages from requests that could use the higher zone j of the same node
 * (setup_per_zone_lowmem_reserve).
 */
export function setupLowmemReserve(pgdat: Pgdat, ratios: readonly number[]): void {
  for (const zone of pgdat.zones) {
    const ratio = ratios[zone.type] ?? 0;
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
