import { type SiteFact, site } from './site-fact.js';

/** Sites of memory policies and cpusets. */
export const POLICY_SITES = {
  'cpuset.guarantee_online_mems': site(
    'cpuset',
    2,
    'kernel/cgroup/cpuset.c:guarantee_online_mems',
    'node_state(N_MEMORY_PRIVATE)',
  ),
  'cpuset.cpuset_handle_hotplug': site(
    'cpuset',
    2,
    'kernel/cgroup/cpuset.c:cpuset_handle_hotplug',
    'node_state(N_MEMORY_PRIVATE)',
  ),
  'cpuset.cpuset_migrate_mm': site(
    'cpuset',
    0,
    'kernel/cgroup/cpuset.c:cpuset_migrate_mm',
    'cpuset_targets',
  ),
  'node.has_memory': site('mempolicy', 13, 'drivers/base/node.c:has_memory', 'NP_OPS_MEMPOLICY'),
  'task_mmu.show_numa_map': site(
    'mempolicy',
    0,
    'fs/proc/task_mmu.c:show_numa_map',
    'nodes_in_numa_maps',
  ),
  'memcontrol.memory_numa_stat_show': site(
    'mempolicy',
    0,
    'mm/memcontrol.c:memory_numa_stat_show',
    'nodes_in_numa_stat',
  ),
  'mempolicy.mpol_set_nodemask': site(
    'mempolicy',
    13,
    'mm/mempolicy.c:mpol_set_nodemask',
    'nodes_private_mpol_allowed',
  ),
  'mempolicy.mpol_rebind_nodemask': site(
    'mempolicy',
    13,
    'mm/mempolicy.c:mpol_rebind_nodemask',
    'nodes_private_mpol_allowed',
  ),
  'mempolicy.vma_alloc_folio': site(
    'mempolicy',
    13,
    'mm/mempolicy.c:vma_alloc_folio_noprof',
    'MPOL_F_PRIVATE',
  ),
  'mempolicy.alloc_migration_target_by_mpol': site(
    'mempolicy',
    13,
    'mm/mempolicy.c:alloc_migration_target_by_mpol',
    'MPOL_F_PRIVATE',
  ),
  'mempolicy.policy_nodemask': site(
    'mempolicy',
    13,
    'mm/mempolicy.c:policy_nodemask',
    'MPOL_F_PRIVATE',
  ),
  'page_alloc.get_page_from_freelist_kswapd': site(
    'mempolicy',
    13,
    'mm/page_alloc.c:get_page_from_freelist',
    'pgdat->kswapd',
  ),
  'mempolicy.queue_folios_pmd': site(
    'mempolicy',
    13,
    'mm/mempolicy.c:queue_folios_pmd',
    'folio_managed_allows_user_migrate',
  ),
  'mempolicy.queue_folios_pte_range': site(
    'mempolicy',
    13,
    'mm/mempolicy.c:queue_folios_pte_range',
    'folio_managed_allows_user_migrate',
  ),
} as const satisfies Record<string, SiteFact>;
