/**
 * Zone types, lowest first (include/linux/mmzone.h:enum zone_type); ZONE_DEVICE is a plugin's
 * matter.
 */
export const ZONE_DMA = 0;
export const ZONE_DMA32 = 1;
export const ZONE_NORMAL = 2;
export const ZONE_MOVABLE = 3;
export const MAX_NR_ZONES = 4;

export const ZONE_NAMES = ['DMA', 'DMA32', 'Normal', 'Movable'] as const;

/** log2 of the largest buddy block in pages. */
export const MAX_PAGE_ORDER = 10;
export const PAGE_SHIFT = 12;
export const PAGE_SIZE = 4096;
/** Pages per leaf page table; also pages per PMD-sized folio. */
export const PTRS_PER_PTE = 512;
export const PMD_ORDER = 9;
export const PAGEBLOCK_PAGES = 512;
/** Nodes a machine can have (CONFIG_NODES_SHIFT 6). */
export const MAX_NUMNODES = 64;

export const WMARK_MIN = 0;
export const WMARK_LOW = 1;
export const WMARK_HIGH = 2;
export const WMARK_PROMO = 3;
