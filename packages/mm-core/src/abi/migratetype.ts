/**
 * What the pages of a page block are for (include/linux/mmzone.h:enum migratetype). The first three
 * fall back to each other; there is no CMA here.
 */
export const MIGRATE_UNMOVABLE = 0;
export const MIGRATE_MOVABLE = 1;
export const MIGRATE_RECLAIMABLE = 2;
/** Kept for requests that cannot wait and are of more than one page. */
export const MIGRATE_HIGHATOMIC = 3;
/** Nobody gets them. */
export const MIGRATE_ISOLATE = 4;
/** Types of free lists. */
export const MIGRATE_TYPES = 5;
/** Types below this one are mergeable and have lists of their own on each CPU. */
export const MIGRATE_PCPTYPES = 3;

/** Names in /proc/pagetypeinfo (migratetype_names). */
export const MIGRATETYPE_NAMES = [
  'Unmovable',
  'Movable',
  'Reclaimable',
  'HighAtomic',
  'Isolate',
] as const;
