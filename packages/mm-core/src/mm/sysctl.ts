import { createToken } from '../base/di.js';

/**
 * The tunables of /proc/sys/vm and /sys/kernel/mm that this model has, with the kernel's names and
 * defaults.
 */
export interface Sysctl {
  /** 0..200, the weight of anonymous memory in reclaim. */
  swappiness: number;
  /** Raises every mark; 0 = the kernel's formula. KiB. */
  min_free_kbytes: number;
  /** Distance of the marks, in 0.01 % of the zone; 1..3000. */
  watermark_scale_factor: number;
  /** How far falling back to another migratetype raises the marks, in 0.01 % of HIGH; 0 = not. */
  watermark_boost_factor: number;
  /** Page blocks are never mixed to save time: requests reclaim instead. */
  defrag_mode: boolean;
  /** Part of a zone that the stocks of its CPUs may hold, one in so many; 0 = the kernel's own. */
  percpu_pagelist_high_fraction: number;
  /** RECLAIM_* of a node before the next one is used; 0 = none. */
  zone_reclaim_mode: number;
  /** Allocations are counted by how well they met their wish. */
  numa_stat: boolean;
  /** Seconds between updates of the counters; without effect, as they are always exact here. */
  stat_interval: number;
  /** Eagerness of compaction in the background, 0..100. */
  compaction_proactiveness: number;
  /** /sys/kernel/mm/numa/demotion_enabled. */
  demotion_enabled: boolean;
  /** /sys/kernel/mm/lru_gen/enabled: bit 0 = generations instead of active and inactive lists. */
  lru_gen: number;
  /** Page cache, in percent of the node, that node_reclaim leaves alone. */
  min_unmapped_ratio: number;
  /** The same of reclaimable slab. */
  min_slab_ratio: number;
  /** Whoever needs the page is killed for it. */
  oom_kill_allocating_task: boolean;
  /** 1: instead of a kill for want of any memory the machine stops; 2: instead of every kill. */
  panic_on_oom: number;
  /** log2 of the most pages that a fault reads from swap at once; 0 = no readahead. */
  page_cluster: number;
  /** Swap readahead by address instead of slot, on devices that do not turn. */
  vma_ra_enabled: boolean;
  /** Poison tells everybody who maps the page at once, not only who touches it. */
  memory_failure_early_kill: boolean;
  /** Fragmentation index, 0..1000, from which compaction helps a large request. */
  extfrag_threshold: number;
  /** Compaction moves mlocked folios too. */
  compact_unevictable_allowed: boolean;
  /** /sys/kernel/mm/transparent_hugepage/enabled at boot: for huge pages of 2 MiB. */
  thp_enabled: 'always' | 'madvise' | 'never';
  /** Order whose file says `madvise` at boot; 0 = none. */
  thp_order: number;
  /** /proc/sys/vm: may pages be taken offline before they fail? */
  enable_soft_offline: boolean;
  /** kernel.numa_balancing: NUMA_BALANCING_*. */
  numa_balancing: number;
  /** debugfs: sched/numa_balancing. Milliseconds before a new task is scanned. */
  numa_balancing_scan_delay_ms: number;
  /** Shortest and longest running time between scans. */
  numa_balancing_scan_period_min_ms: number;
  numa_balancing_scan_period_max_ms: number;
  /** Megabytes that a scan goes over. */
  numa_balancing_scan_size_mb: number;
  /** Milliseconds between scan and access below which a page of slow memory is hot. */
  numa_balancing_hot_threshold_ms: number;
  numa_balancing_promote_rate_limit_MBps: number;
  /** Bytes around a read fault of a file whose cached pages are mapped along. */
  fault_around_bytes: number;
  /** 0 guesses whether a mapping can be kept, 1 takes every one, 2 keeps to the commit limit. */
  overcommit_memory: number;
  /** Percentage of memory that the commit limit counts. */
  overcommit_ratio: number;
  /** Areas that an address space may have. */
  max_map_count: number;
  /**
   * kernel.osrelease: whose multi-generational LRU it is, and whose choice of a node to demote to
   * under a cpuset, where they differ. 6.18 and 7.0 have one LRU; everything else is 7.3's.
   */
  osrelease: '6.18' | '7.0' | '7.3';
  /** Lowest address that a program without CAP_SYS_RAWIO may map. */
  mmap_min_addr: number;
}
export const Sysctl = createToken<Sysctl>('Sysctl');

/**
 * Linux 7.3 defaults, but without large folios, and with `lru_gen` off, so that an experiment's
 * machine has active and inactive lists, and without proactive compaction.
 */
export const SYSCTL_DEFAULTS: Sysctl = {
  swappiness: 60,
  min_free_kbytes: 0,
  watermark_scale_factor: 10,
  watermark_boost_factor: 15000,
  defrag_mode: false,
  percpu_pagelist_high_fraction: 0,
  zone_reclaim_mode: 0,
  numa_stat: true,
  stat_interval: 1,
  compaction_proactiveness: 0,
  demotion_enabled: false,
  lru_gen: 0,
  min_unmapped_ratio: 1,
  min_slab_ratio: 5,
  oom_kill_allocating_task: false,
  panic_on_oom: 0,
  page_cluster: 3,
  vma_ra_enabled: true,
  memory_failure_early_kill: false,
  extfrag_threshold: 500,
  compact_unevictable_allowed: true,
  thp_enabled: 'never',
  thp_order: 0,
  enable_soft_offline: true,
  numa_balancing: 0,
  numa_balancing_scan_delay_ms: 1000,
  numa_balancing_scan_period_min_ms: 1000,
  numa_balancing_scan_period_max_ms: 60000,
  numa_balancing_scan_size_mb: 256,
  numa_balancing_hot_threshold_ms: 1000,
  numa_balancing_promote_rate_limit_MBps: 65536,
  fault_around_bytes: 65536,
  overcommit_memory: 0,
  overcommit_ratio: 50,
  max_map_count: 65530,
  osrelease: '7.3',
  mmap_min_addr: 65536,
};
