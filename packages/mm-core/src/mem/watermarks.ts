import { MIGRATE_PCPTYPES } from '../abi/migratetype.js';
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
 * Most that a zone's marks may be boosted by: a page block at least, nothing in a zone of less than
 * four (mm/page_alloc.c:boost_watermark).
 * @param factor of HIGH, in hundredths of a percent
 */
export function boostMaxOf(zone: Zone, factor: number): number {
  if (factor === 0 || zone.managedPages < 4 * PAGEBLOCK_PAGES) return 0;
  const most = Math.floor((zone.watermark[WMARK_HIGH]! * factor) / 10000);
  return most === 0 ? 0 : Math.max(PAGEBLOCK_PAGES, most);
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
