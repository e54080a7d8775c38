/**
 * Names of files that a kernel has in folders of which every name is known here. A file of such a
 * folder that is not among them is missing from the machine, one that is may be missing from the
 * model.
 */
interface Folder {
  readonly path: RegExp;
  readonly names: readonly string[];
}

const VM = words(`admin_reserve_kbytes block_dump compact_memory compact_unevictable_allowed
  compaction_proactiveness defrag_mode dirty_background_bytes dirty_background_ratio dirty_bytes
  dirty_expire_centisecs dirty_ratio dirty_writeback_centisecs dirtytime_expire_seconds drop_caches
  enable_soft_offline extfrag_threshold hugetlb_optimize_vmemmap hugetlb_shm_group laptop_mode
  legacy_va_layout lowmem_reserve_ratio max_map_count mem_profiling memfd_noexec
  memory_failure_early_kill memory_failure_recovery min_free_kbytes min_slab_ratio
  min_unmapped_ratio mmap_min_addr mmap_rnd_bits mmap_rnd_compat_bits nr_hugepages
  nr_hugepages_mempolicy nr_overcommit_hugepages numa_stat numa_zonelist_order oom_dump_tasks
  oom_kill_allocating_task overcommit_kbytes overcommit_memory overcommit_ratio page-cluster
  page_lock_unfairness panic_on_oom percpu_pagelist_high_fraction stat_interval stat_refresh
  swappiness unprivileged_userfaultfd user_reserve_kbytes vfs_cache_pressure
  vfs_cache_pressure_denom watermark_boost_factor watermark_scale_factor zone_reclaim_mode`);

const NODES = words('has_cpu has_generic_initiator has_memory has_normal_memory online possible');
const NODE = words('compact cpulist cpumap distance meminfo numastat reclaim uevent vmstat');
const BLOCKS = words('auto_online_blocks block_size_bytes crash_hotplug soft_offline_page');
const HARD_OFFLINE = words('hard_offline_page uevent');
const BLOCK = words('node online phys_device phys_index removable state uevent valid_zones');

const CGROUP = words(`controllers events freeze kill max.depth max.descendants pressure procs stat
  stat.local subtree_control threads type`);
const MEMORY = words(`current events events.local high low max min numa_stat oom.group peak pressure
  reclaim stat swap.current swap.events swap.high swap.max swap.peak zswap.current zswap.max
  zswap.writeback`);
const CPUSET = words(`cpus cpus.effective cpus.exclusive cpus.exclusive.effective cpus.isolated
  cpus.partition mems mems.effective`);

const FOLDERS: readonly Folder[] = [
  { path: /^\/proc\/sys\/vm\//, names: VM },
  { path: /^\/sys\/devices\/system\/node\//, names: NODES },
  { path: /^\/sys\/devices\/system\/node\/node\d+\//, names: NODE },
  { path: /^\/sys\/devices\/system\/memory\//, names: [...BLOCKS, ...HARD_OFFLINE] },
  { path: /^\/sys\/devices\/system\/memory\/memory\d+\//, names: BLOCK },
  { path: /^\/sys\/fs\/cgroup\/(?:.*\/)?cgroup\./, names: CGROUP },
  { path: /^\/sys\/fs\/cgroup\/(?:.*\/)?memory\./, names: MEMORY },
  { path: /^\/sys\/fs\/cgroup\/(?:.*\/)?cpuset\./, names: CPUSET },
];

/** Is it certain that no kernel has such a file? */
export function hasNoKernel(path: string): boolean {
  return FOLDERS.some(({ path: folder, names }) => {
    const name = path.replace(folder, '');
    return name !== path && !name.includes('/') && !names.includes(name);
  });
}

function words(text: string): string[] {
  return text.trim().split(/\s+/);
}
