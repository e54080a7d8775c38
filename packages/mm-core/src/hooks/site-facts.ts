import type { HookName } from './contracts.js';

/** The services that sites belong to, as the RFC groups its patches. */
export type SiteService =
  | 'allocation gate'
  | 'zonelist'
  | 'free'
  | 'split'
  | 'migration'
  | 'mempolicy'
  | 'cpuset'
  | 'demotion'
  | 'write protect and fault'
  | 'reclaim'
  | 'NUMA balancing'
  | 'compaction'
  | 'OOM'
  | 'long-term pin'
  | 'memory failure'
  | 'hotplug'
  | 'skip sites';

/** A place in the core that asks "is this folio or node special?". */
export interface SiteFact {
  readonly service: SiteService;
  /** The predicate or hook it uses. */
  readonly asks: string;
  /** The hook it may end in. */
  readonly hook: HookName | null;
  /** The kernel function it stands for. */
  readonly kernel: string;
  /** Patch of RFC v4; 0: a site that v4 lacks and an option adds. */
  readonly patch: number;
}

function site(
  service: SiteService,
  patch: number,
  kernel: string,
  asks: string,
  hook: HookName | null = null,
): SiteFact {
  return { service, patch, kernel, asks, hook };
}

/**
 * Every site of the core. `Managed` is the only file that reads the owner column; each call names
 * its site.
 */
export const SITE_FACTS = {
  'page_alloc.get_page_from_freelist': site(
    'allocation gate',
    3,
    'mm/page_alloc.c:get_page_from_freelist',
    'numa_zone_alloc_allowed',
  ),
  'page_alloc.should_reclaim_retry': site(
    'allocation gate',
    3,
    'mm/page_alloc.c:should_reclaim_retry',
    'numa_zone_alloc_allowed',
  ),
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
  'page_alloc.build_zonelists': site(
    'zonelist',
    4,
    'mm/page_alloc.c:build_zonelists',
    'node_state(N_MEMORY_PRIVATE)',
  ),
  'swap.__folio_put': site(
    'free',
    10,
    'mm/swap.c:__folio_put',
    'folio_managed_on_free',
    'free_folio',
  ),
  'swap.folios_put_refs': site(
    'free',
    10,
    'mm/swap.c:folios_put_refs',
    'folio_managed_on_free',
    'free_folio',
  ),
  'folio.folio_add_lru': site(
    'skip sites',
    0,
    'mm/migrate_device.c:migrate_device_finalize',
    'folio_is_zone_device',
  ),
  'rmap.__folio_remove_rmap': site(
    'skip sites',
    0,
    'mm/rmap.c:__folio_remove_rmap',
    'folio_is_device_private',
  ),
  'gup.migrate_longterm_unpinnable_folios': site(
    'long-term pin',
    0,
    'mm/gup.c:migrate_longterm_unpinnable_folios',
    'folio_is_device_coherent',
  ),
  'memory-failure.memory_failure_dev_pagemap': site(
    'memory failure',
    0,
    'mm/memory_hotplug.c:pfn_to_online_page',
    'zone_is_zone_device',
  ),
  'memory-failure.soft_offline_page': site(
    'memory failure',
    0,
    'mm/memory_hotplug.c:pfn_to_online_page',
    'zone_is_zone_device',
  ),
  'vmscan.shrink_folio_list': site(
    'free',
    0,
    'mm/vmscan.c:shrink_folio_list (free_unref_folios)',
    'folio_managed_on_reclaim_free',
    'free_folio',
  ),
  'huge_memory.__folio_split': site(
    'split',
    11,
    'mm/huge_memory.c:__folio_freeze_and_split_unmapped',
    'folio_managed_split_cb',
    'folio_split',
  ),
  'node.has_memory': site('mempolicy', 13, 'drivers/base/node.c:has_memory', 'NP_OPS_MEMPOLICY'),
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
  'migrate.migrate_folios_to_node': site(
    'migration',
    12,
    'mm/migrate.c:migrate_folios_to_node',
    'node_is_private',
    'migrate_to',
  ),
  'migrate.__add_folio_for_migration': site(
    'migration',
    12,
    'mm/migrate.c:__add_folio_for_migration',
    'folio_managed_allows_migrate',
  ),
  'migrate.do_pages_move': site(
    'migration',
    12,
    'mm/migrate.c:do_pages_move',
    'node_state(N_MEMORY_PRIVATE)',
  ),
  'migrate.do_pages_stat_array': site(
    'migration',
    12,
    'mm/migrate.c:do_pages_stat_array',
    'folio_managed_allows_user_migrate',
  ),
  'migrate.migrate_folio_move': site(
    'migration',
    12,
    'mm/migrate.c:migrate_folio_move',
    'folio_managed_migrate_notify',
    'folio_migrate',
  ),
  'rmap.try_to_migrate': site(
    'migration',
    12,
    'mm/rmap.c:try_to_migrate',
    'folio_managed_allows_migrate',
  ),
  'memory-tiers.establish_demotion_targets': site(
    'demotion',
    14,
    'mm/memory-tiers.c:establish_demotion_targets',
    'NP_OPS_DEMOTION',
  ),
  'memory-tiers.set_node_memory_tier': site(
    'demotion',
    14,
    'mm/memory-tiers.c:set_node_memory_tier',
    'node_state(N_MEMORY_PRIVATE)',
  ),
  'vmscan.can_demote': site(
    'demotion',
    14,
    'mm/vmscan.c:can_demote',
    'node_private_migration_blocked',
  ),
  'vmscan.demote_folio_list': site(
    'demotion',
    14,
    'mm/vmscan.c:demote_folio_list',
    'node_is_private',
    'migrate_to',
  ),
  'mprotect.change_pte_range': site(
    'write protect and fault',
    15,
    'mm/mprotect.c:change_pte_range',
    'NP_OPS_PROTECT_WRITE',
  ),
  'migrate.remove_migration_pte': site(
    'write protect and fault',
    15,
    'mm/migrate.c:remove_migration_pte',
    'folio_managed_fixup_migration_pte',
  ),
  'memory.handle_pte_fault': site(
    'write protect and fault',
    15,
    'mm/memory.c:handle_pte_fault',
    'folio_managed_handle_fault',
    'handle_fault',
  ),
  'huge_memory.do_huge_pmd_wp_page': site(
    'write protect and fault',
    15,
    'mm/huge_memory.c:do_huge_pmd_wp_page',
    'folio_managed_handle_fault',
    'handle_fault',
  ),
  'memory.do_swap_page': site(
    'write protect and fault',
    0,
    'mm/memory.c:do_swap_page',
    'folio_managed_swap_in_wrprotect',
  ),
  'vmscan.shrink_zones': site('reclaim', 16, 'mm/vmscan.c:shrink_zones', 'zone_reclaim_allowed'),
  'vmscan.wakeup_kswapd': site('reclaim', 16, 'mm/vmscan.c:wakeup_kswapd', 'zone_reclaim_allowed'),
  'vmscan.balance_pgdat': site(
    'reclaim',
    16,
    'mm/vmscan.c:balance_pgdat',
    'node_private_reclaim_policy',
    'reclaim_policy',
  ),
  'page_alloc.__setup_per_zone_wmarks': site(
    'reclaim',
    16,
    'mm/page_alloc.c:__setup_per_zone_wmarks',
    'node_private_reclaim_policy',
    'reclaim_policy',
  ),
  'oom_kill.constrained_alloc': site(
    'OOM',
    17,
    'mm/oom_kill.c:constrained_alloc',
    'zone_oom_eligible',
  ),
  'ksm.ksm_next_page': site(
    'skip sites',
    8,
    'mm/ksm.c:ksm_next_page_pmd_entry',
    'folio_is_private_managed',
  ),
  'mempolicy.folio_can_map_prot_numa': site(
    'NUMA balancing',
    18,
    'mm/mempolicy.c:folio_can_map_prot_numa',
    'folio_managed_allows_numa',
  ),
  'mm.folio_is_longterm_pinnable': site(
    'long-term pin',
    20,
    'include/linux/mm.h:folio_is_longterm_pinnable',
    'NP_OPS_LONGTERM_PIN',
  ),
  'memory-failure.memory_failure': site(
    'memory failure',
    21,
    'mm/memory-failure.c:memory_failure',
    'folio_managed_memory_failure',
    'memory_failure',
  ),
  'memory-failure.soft_offline_in_use_page': site(
    'memory failure',
    21,
    'mm/memory-failure.c:soft_offline_in_use_page',
    'folio_managed_allows_migrate',
  ),
  'compaction.try_to_compact_pages': site(
    'compaction',
    19,
    'mm/compaction.c:try_to_compact_pages',
    'NP_OPS_COMPACTION',
  ),
  'compaction.compact_node': site(
    'compaction',
    19,
    'mm/compaction.c:compact_node',
    'NP_OPS_COMPACTION',
  ),
  'compaction.compaction_zonelist_suitable': site(
    'compaction',
    19,
    'mm/compaction.c:compaction_zonelist_suitable',
    'NP_OPS_COMPACTION',
  ),
  'memory_hotplug.online_pages': site(
    'hotplug',
    22,
    'mm/memory_hotplug.c:online_pages',
    'pgdat->private',
  ),
  'memory_hotplug.offline_pages': site(
    'hotplug',
    22,
    'mm/memory_hotplug.c:offline_pages',
    'pgdat->private',
  ),
  'memory_hotplug.do_migrate_range': site(
    'hotplug',
    22,
    'mm/memory_hotplug.c:do_migrate_range',
    'folio_managed_allows_migrate',
  ),
  'mlock.mlock_pte_range': site(
    'skip sites',
    6,
    'mm/mlock.c:mlock_pte_range',
    'folio_is_private_managed',
  ),
  'madvise.madvise_cold_or_pageout_pte_range': site(
    'skip sites',
    7,
    'mm/madvise.c:madvise_cold_or_pageout_pte_range',
    'folio_is_private_managed',
  ),
  'khugepaged.hpage_collapse_scan_pmd': site(
    'skip sites',
    9,
    'mm/khugepaged.c:hpage_collapse_scan_pmd',
    'folio_is_private_managed',
  ),
} as const satisfies Record<string, SiteFact>;

/** Name of a site. */
export type SiteName = keyof typeof SITE_FACTS;
