import {
  EINVAL,
  GRANT_DEMOTION,
  GRANT_HOTUNPLUG,
  GRANT_LONGTERM_PIN,
  GRANT_MADVISE,
  GRANT_MEMPOLICY,
  GRANT_MIGRATION,
  GRANT_NUMA_BALANCING,
  GRANT_RECLAIM,
  GRANT_USER_MIGRATION,
  GRANTS_APART,
} from '@mm-lab/mm-core';

/** What a node lets mm do, said once at registration (version 5 of the series). Bits are ours. */
export const NODE_PRIVATE_CAP_RECLAIM = 1 << 0;
export const NODE_PRIVATE_CAP_USER_NUMA = 1 << 1;
export const NODE_PRIVATE_CAP_HOTUNPLUG = 1 << 2;
export const NODE_PRIVATE_CAP_DEMOTION = 1 << 3;
export const NODE_PRIVATE_CAP_NUMA_BALANCING = 1 << 4;
export const NODE_PRIVATE_CAP_LTPIN = 1 << 5;

/** A capability, what it lets mm do, and what must come with it. */
export interface CapFact {
  readonly cap: number;
  readonly name: string;
  readonly requires: number;
  readonly grants: number;
  readonly means: string;
}

/**
 * Whatever moves folios implies that the kernel may move them. Simplified: MADV_COLLAPSE is under
 * USER_NUMA, but khugepaged, which never acts on private folios, asks at the same place, so neither
 * collapses here.
 */
export const CAP_FACTS: readonly CapFact[] = [
  {
    cap: NODE_PRIVATE_CAP_RECLAIM,
    name: 'NODE_PRIVATE_CAP_RECLAIM',
    requires: 0,
    grants: GRANT_RECLAIM | GRANT_MADVISE,
    means: 'mm reclaims, and MADV_COLD, MADV_PAGEOUT and MADV_FREE work',
  },
  {
    cap: NODE_PRIVATE_CAP_USER_NUMA,
    name: 'NODE_PRIVATE_CAP_USER_NUMA',
    requires: 0,
    grants: GRANT_MEMPOLICY | GRANT_USER_MIGRATION | GRANT_MIGRATION,
    means: 'mbind, set_mempolicy, home node, move_pages and migrate_pages may name the node',
  },
  {
    cap: NODE_PRIVATE_CAP_HOTUNPLUG,
    name: 'NODE_PRIVATE_CAP_HOTUNPLUG',
    requires: 0,
    grants: GRANT_HOTUNPLUG | GRANT_MIGRATION,
    means: 'hot-unplug may empty the node',
  },
  {
    cap: NODE_PRIVATE_CAP_DEMOTION,
    name: 'NODE_PRIVATE_CAP_DEMOTION',
    requires: NODE_PRIVATE_CAP_RECLAIM,
    grants: GRANT_DEMOTION | GRANT_MIGRATION,
    means: 'the node is a demotion target',
  },
  {
    cap: NODE_PRIVATE_CAP_NUMA_BALANCING,
    name: 'NODE_PRIVATE_CAP_NUMA_BALANCING',
    requires: 0,
    grants: GRANT_NUMA_BALANCING | GRANT_MIGRATION,
    means: 'NUMA balancing scans and promotes its folios',
  },
  {
    cap: NODE_PRIVATE_CAP_LTPIN,
    name: 'NODE_PRIVATE_CAP_LTPIN',
    requires: 0,
    grants: GRANT_LONGTERM_PIN,
    means: 'long-term pins stay on the node',
  },
];

/** The services of mm that capabilities let work on a node, or -EINVAL. */
export function grantsOfCaps(caps: number): number {
  let grants = GRANTS_APART;
  for (const fact of CAP_FACTS) {
    if ((caps & fact.cap) === 0) continue;
    if ((caps & fact.requires) !== fact.requires) return -EINVAL;
    grants |= fact.grants;
  }
  return grants;
}
