/**
 * Opt-in flags of a private node (RFC v4, include/linux/node_private.h; which patch adds each is in
 * the table).
 */
export const NP_OPS_MIGRATION = 1 << 0;
export const NP_OPS_MEMPOLICY = 1 << 1;
export const NP_OPS_DEMOTION = 1 << 2;
export const NP_OPS_PROTECT_WRITE = 1 << 3;
export const NP_OPS_RECLAIM = 1 << 4;
export const NP_OPS_NUMA_BALANCING = 1 << 5;
export const NP_OPS_COMPACTION = 1 << 6;
export const NP_OPS_LONGTERM_PIN = 1 << 7;
/**
 * Composite: both bits must be present (patch 17; the cover letter says otherwise: divergence D1).
 */
export const NP_OPS_OOM_ELIGIBLE = NP_OPS_RECLAIM | NP_OPS_DEMOTION;

/** What a flag means and what it obliges, as `node_private_set_ops` checks it. */
export interface NpFlagFact {
  readonly flag: number;
  readonly name: string;
  /** Patch of the series that adds it. */
  readonly patch: number;
  /** Callbacks that must be present. */
  readonly callbacks: readonly ('migrate_to' | 'folio_migrate')[];
  /** Callbacks that it is empty without, and that nobody checks (mend `obligations`). */
  readonly unchecked: readonly ('migrate_to' | 'handle_fault')[];
  /** Flags that must be present. */
  readonly requires: number;
  /** Flags that must be absent. */
  readonly excludes: number;
  /** What mm does with a folio of the node once the flag is set. */
  readonly grants: string;
}

/** In the order in which set_ops checks them. */
export const NP_FLAG_FACTS: readonly NpFlagFact[] = [
  {
    flag: NP_OPS_MIGRATION,
    name: 'NP_OPS_MIGRATION',
    patch: 12,
    callbacks: ['migrate_to', 'folio_migrate'],
    unchecked: [],
    requires: 0,
    excludes: 0,
    grants: 'user and kernel migration into and out of the node',
  },
  {
    flag: NP_OPS_MEMPOLICY,
    name: 'NP_OPS_MEMPOLICY',
    patch: 13,
    callbacks: [],
    unchecked: [],
    requires: NP_OPS_MIGRATION,
    excludes: NP_OPS_PROTECT_WRITE,
    grants: 'mbind and set_mempolicy may name the node',
  },
  {
    flag: NP_OPS_DEMOTION,
    name: 'NP_OPS_DEMOTION',
    patch: 14,
    callbacks: [],
    unchecked: ['migrate_to'],
    requires: 0,
    excludes: 0,
    grants: 'the node is a demotion target',
  },
  {
    flag: NP_OPS_PROTECT_WRITE,
    name: 'NP_OPS_PROTECT_WRITE',
    patch: 15,
    callbacks: [],
    unchecked: ['handle_fault'],
    requires: 0,
    excludes: NP_OPS_MEMPOLICY,
    grants: 'mappings of its folios are never made writable',
  },
  {
    flag: NP_OPS_RECLAIM,
    name: 'NP_OPS_RECLAIM',
    patch: 16,
    callbacks: [],
    unchecked: [],
    requires: 0,
    excludes: 0,
    grants: 'kswapd and direct reclaim work on the node',
  },
  {
    flag: NP_OPS_NUMA_BALANCING,
    name: 'NP_OPS_NUMA_BALANCING',
    patch: 18,
    callbacks: [],
    unchecked: [],
    requires: NP_OPS_MIGRATION,
    excludes: 0,
    grants: 'NUMA balancing scans and promotes its folios',
  },
  {
    flag: NP_OPS_COMPACTION,
    name: 'NP_OPS_COMPACTION',
    patch: 19,
    callbacks: [],
    unchecked: [],
    requires: NP_OPS_MIGRATION,
    excludes: 0,
    grants: 'compaction works on the node',
  },
  {
    flag: NP_OPS_LONGTERM_PIN,
    name: 'NP_OPS_LONGTERM_PIN',
    patch: 20,
    callbacks: [],
    unchecked: [],
    requires: 0,
    excludes: 0,
    grants: 'FOLL_LONGTERM pins stay on the node',
  },
];
