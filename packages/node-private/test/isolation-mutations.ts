import { type Machine, type SiteName, Sites } from '@mm-lab/mm-core';

/** Takes a gate of a machine away. */
export type Mutate = (machine: Machine) => void;

/** Answers that let a request through, by question of `Managed`. */
const LETS_THROUGH: Readonly<Record<string, (answer: unknown, machine: Machine) => unknown>> = {
  numa_zone_alloc_allowed: () => true,
  node_allows: () => true,
  node_is_private: () => false,
  node_takes_by_callback: () => false,
  nodes_private_mpol_allowed: (answer) => (answer === 'not all' ? 'all' : answer),
  mpol_private_gfp: (_answer, { managed }) => managed.isolation.asking,
  folio_managed_allows: () => true,
  node_private_migration_blocked: () => false,
};

/**
 * Takes away what a site asks: there every node and folio may be used as if it were ordinary.
 * @param onChange an answer became another one
 */
export function withoutSite(name: SiteName, onChange = (): void => undefined): Mutate {
  const site = Sites.index(name);
  return (machine) => {
    for (const [question, letThrough] of Object.entries(LETS_THROUGH)) {
      const asked: unknown = Reflect.get(machine.managed, question);
      if (typeof asked !== 'function') throw new Error(`there is no question ${question}`);
      Reflect.set(machine.managed, question, (from: number, ...rest: unknown[]) => {
        const answer: unknown = Reflect.apply(asked, machine.managed, [from, ...rest]);
        if (from !== site) return answer;
        const changed = letThrough(answer, machine);
        if (changed !== answer) onChange();
        return changed;
      });
    }
  };
}

/** What a site keeps apart is not an answer to a question: cut where it is done. */
export const CUTS: Readonly<Partial<Record<SiteName, Mutate>>> = {
  'page_alloc.build_zonelists': ({ nodes, hotplug }) => {
    const rebuild = hotplug.rebuild.bind(hotplug);
    hotplug.rebuild = () => {
      rebuild();
      const apart = [...nodes.all()].filter((pgdat) => pgdat.private);
      const zones = apart.flatMap((pgdat) => pgdat.zones.filter((zone) => zone.managedPages > 0));
      for (const pgdat of nodes.all()) pgdat.fallback = [...pgdat.fallback, ...zones];
    };
  },
  'cpuset.guarantee_online_mems': ({ cpusets }) => {
    Object.assign(cpusets, { ordinaryMems: () => new Set() });
  },
};

/** Gates that are no sites: what the isolation says by itself. */
export const ISOLATION_CUTS: Readonly<Record<string, Mutate>> = {
  'admits (v4: the bit of the request)': ({ managed }) => {
    managed.isolation.admits = () => true;
  },
};

/** The gates of version 5, which tests nothing on the way. */
export const V5_CUTS: Readonly<Record<string, Mutate>> = {
  'zonelist (which list a request walks)': ({ managed }) => {
    managed.isolation.zonelist = () => 'apart';
  },
  'lists (private nodes stand in the third list only)': (machine) => {
    CUTS['page_alloc.build_zonelists']?.(machine);
  },
  'mpol_set_nodemask (what a policy may name)': withoutSite('mempolicy.mpol_set_nodemask'),
  'establish_demotion_targets (where demotion goes)': withoutSite(
    'memory-tiers.establish_demotion_targets',
  ),
  'node_may_be_target (where users may move pages)': ({ managed }) => {
    managed.node_may_be_target = () => true;
  },
};

/**
 * Sites of the services that decide where memory comes from, without which nobody gets in who did
 * not before, and why. In the search each of them says no, and is made to say yes.
 */
export const NO_WAY_IN: Readonly<Partial<Record<SiteName, string>>> = {
  'cpuset.cpuset_handle_hotplug': 'what cpusets may name; the allocation gate asks again',
  'mempolicy.alloc_migration_target_by_mpol': 'walks the lists of the policy’s nodes',
  'mempolicy.policy_nodemask': 'where a request begins that asks already',
  'migrate.do_pages_move': 'migrate_folios_to_node asks again',
  'memory-tiers.set_node_memory_tier': 'the tier; establish_demotion_targets asks again',
};

/**
 * The other sites of those services that are no gates. In the search they never say no, as only
 * folios of a service that lets them move are on its node: that they let nobody in is a reading of
 * what they ask, and no run of it.
 */
export const NEVER_REFUSED: Readonly<Partial<Record<SiteName, string>>> = {
  'compaction.try_to_compact_pages_gate': 'makes room; the allocation asks again',
  'hugetlb.dequeue_hugetlb_folio': 'hands out a pool that the allocation gate filled',
  'page_alloc.get_page_from_freelist_kswapd': 'which nodes to pass over for now',
  'mempolicy.queue_folios_pmd': 'what leaves, not where it goes',
  'mempolicy.queue_folios_pte_range': 'what leaves, not where it goes',
  'node.has_memory': 'a file that says what is there',
  'migrate.__add_folio_for_migration': 'what leaves, not where it goes',
  'migrate.do_pages_stat_array': 'what is told',
  'migrate.migrate_misplaced_folio_prepare': 'what leaves, not where it goes',
  'migrate.migrate_folio_move': 'a notice',
  'rmap.try_to_migrate': 'what leaves, not where it goes',
  'vmscan.can_demote': 'whether, not where to',
  'memory_hotplug.do_migrate_range': 'what leaves, not where it goes',
};
