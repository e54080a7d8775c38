import {
  ALLOC_HIGHATOMIC,
  ALLOC_KSWAPD,
  ALLOC_MIN_RESERVE,
  ALLOC_NON_BLOCK,
} from '../abi/alloc-flags.js';
import {
  __GFP_DIRECT_RECLAIM,
  __GFP_HIGH,
  __GFP_HIGHMEM,
  __GFP_KSWAPD_RECLAIM,
  __GFP_MOVABLE,
  __GFP_NOMEMALLOC,
  __GFP_RECLAIMABLE,
} from '../abi/gfp.js';
import { MIGRATE_MOVABLE, MIGRATE_RECLAIMABLE, MIGRATE_UNMOVABLE } from '../abi/migratetype.js';
import { ZONE_MOVABLE, ZONE_NORMAL } from '../abi/zone.js';

/** Highest zone type the flags allow (include/linux/gfp.h:gfp_zone). */
export function gfpZone(gfp: number): number {
  const both = __GFP_MOVABLE | __GFP_HIGHMEM;
  return (gfp & both) === both ? ZONE_MOVABLE : ZONE_NORMAL;
}

/** What the page will be used for (include/linux/gfp.h:gfp_migratetype). */
export function gfpMigratetype(gfp: number): number {
  if ((gfp & __GFP_MOVABLE) !== 0) return MIGRATE_MOVABLE;
  return (gfp & __GFP_RECLAIMABLE) !== 0 ? MIGRATE_RECLAIMABLE : MIGRATE_UNMOVABLE;
}

/** Rights of the first walk. */
export function fastAllocFlags(gfp: number): number {
  return (gfp & __GFP_KSWAPD_RECLAIM) !== 0 ? ALLOC_KSWAPD : 0;
}

/** Rights of the walks at MIN (mm/page_alloc.c:alloc_flags_slowpath). */
export function slowAllocFlags(gfp: number, order: number): number {
  let flags = fastAllocFlags(gfp);
  const high = (gfp & __GFP_HIGH) !== 0;
  if (high) flags |= ALLOC_MIN_RESERVE;
  if ((gfp & (__GFP_DIRECT_RECLAIM | __GFP_NOMEMALLOC)) !== 0) return flags;
  flags |= ALLOC_NON_BLOCK;
  return order > 0 && high ? flags | ALLOC_HIGHATOMIC : flags;
}
