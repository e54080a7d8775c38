/**
 * Existing functions that patches 02 to 22 of the RFC change, by group: what our own count of sites
 * stands beside. `get_page_from_freelist` and `try_to_compact_pages` are in two groups each, so the
 * entries are two more than the functions.
 */
export const RFC_FUNCTIONS: Readonly<Record<string, number>> = {
  'allocation gate': 6,
  zonelist: 1,
  cpuset: 3,
  'skip sites': 8,
  free: 2,
  split: 1,
  migration: 9,
  mempolicy: 8,
  demotion: 5,
  'write protect and fault': 7,
  reclaim: 4,
  OOM: 2,
  'NUMA balancing': 1,
  compaction: 3,
  'long-term pin': 1,
  'memory failure': 2,
  hotplug: 3,
};

/** Entries of `RFC_FUNCTIONS` in all, and distinct functions among them. */
export const RFC_ENTRIES = 66;
export const RFC_DISTINCT = 64;

/** A function of the kernel, and why it counts on one side only. */
export interface OneSided {
  readonly service: string;
  readonly kernel: string;
  readonly why: string;
}

/** Functions that the RFC changes and that have no site here. */
export const RFC_WITHOUT_SITE: readonly OneSided[] = [
  {
    service: 'allocation gate',
    kernel: 'mm/page_alloc.c:alloc_pages_bulk_noprof',
    why: 'nobody here allocates in bulk',
  },
  {
    service: 'allocation gate',
    kernel: 'mm/slub.c:get_any_partial',
    why: 'there is no slab; who allocates for it asks the page allocator',
  },
  {
    service: 'cpuset',
    kernel: 'kernel/cgroup/cpuset.c:cpuset_spread_node',
    why: 'only cpusets of cgroup v1 spread pages',
  },
  {
    service: 'migration',
    kernel: 'mm/damon/paddr.c:damon_pa_migrate',
    why: 'there is no DAMON',
  },
  {
    service: 'migration',
    kernel: 'mm/migrate.c:do_move_pages_to_node',
    why: 'asks by way of migrate_folios_to_node',
  },
  {
    service: 'migration',
    kernel: 'mm/mempolicy.c:migrate_to_node',
    why: 'asks by way of migrate_folios_to_node',
  },
  {
    service: 'demotion',
    kernel: 'mm/memory-tiers.c:disable_all_demotion_targets',
    why: 'targets are made anew, so there is nothing to clear',
  },
];

/** Functions of sites that the count of the RFC leaves out. */
export const RFC_UNCOUNTED: readonly OneSided[] = [
  {
    service: 'migration',
    kernel: 'mm/migrate.c:migrate_folios_to_node',
    why: 'the RFC adds it',
  },
  {
    service: 'mempolicy',
    kernel: 'drivers/base/node.c:has_memory',
    why: 'outside mm',
  },
];
