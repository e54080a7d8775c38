/**
 * The services of mm that an owner lets work on its memory, one bit each. Ordinary memory lets all
 * of them. The core asks for bits only: what a driver has to say or bring to get one (flags,
 * callbacks, capabilities) is its plugin's business, so that another generation of the design needs
 * no change here.
 */
export const GRANT_LRU = 1 << 0;
/** Mappings may be writable. */
export const GRANT_WRITE = 1 << 1;
/** The kernel moves folios on its own account (try_to_migrate). */
export const GRANT_MIGRATION = 1 << 2;
/** move_pages and its like tell and change where folios are. */
export const GRANT_USER_MIGRATION = 1 << 3;
/** mbind and set_mempolicy may name the node. */
export const GRANT_MEMPOLICY = 1 << 4;
/** The node is a demotion target. */
export const GRANT_DEMOTION = 1 << 5;
/** kswapd and direct reclaim work on the node. */
export const GRANT_RECLAIM = 1 << 6;
/** The node counts when memory is looked for before a kill. */
export const GRANT_OOM = 1 << 7;
/** NUMA balancing scans and promotes. */
export const GRANT_NUMA_BALANCING = 1 << 8;
export const GRANT_COMPACTION = 1 << 9;
/** Long-term pins stay where the folio is. */
export const GRANT_LONGTERM_PIN = 1 << 10;
export const GRANT_MLOCK = 1 << 11;
/** MADV_COLD, MADV_PAGEOUT and MADV_FREE. */
export const GRANT_MADVISE = 1 << 12;
export const GRANT_KSM = 1 << 13;
/** Pages are collapsed to a huge one. */
export const GRANT_COLLAPSE = 1 << 14;
/** Hot-unplug may empty the node. */
export const GRANT_HOTUNPLUG = 1 << 15;
/** Tasks whose cpusets meet on the node compete for memory, as they do on ordinary nodes. */
export const GRANT_OOM_MEMS = 1 << 16;

/** What memory set apart lets mm do if its owner says nothing: be listed and be written to. */
export const GRANTS_APART = GRANT_LRU | GRANT_WRITE;

/** Names of the bits, for reports. */
export const GRANT_NAMES: Readonly<Record<number, string>> = {
  [GRANT_LRU]: 'lru',
  [GRANT_WRITE]: 'write',
  [GRANT_MIGRATION]: 'migration',
  [GRANT_USER_MIGRATION]: 'user migration',
  [GRANT_MEMPOLICY]: 'mempolicy',
  [GRANT_DEMOTION]: 'demotion',
  [GRANT_RECLAIM]: 'reclaim',
  [GRANT_OOM]: 'oom',
  [GRANT_NUMA_BALANCING]: 'numa balancing',
  [GRANT_COMPACTION]: 'compaction',
  [GRANT_LONGTERM_PIN]: 'longterm pin',
  [GRANT_MLOCK]: 'mlock',
  [GRANT_MADVISE]: 'madvise',
  [GRANT_KSM]: 'ksm',
  [GRANT_COLLAPSE]: 'collapse',
  [GRANT_HOTUNPLUG]: 'hot-unplug',
  [GRANT_OOM_MEMS]: 'oom cpusets',
};
