import type { VmFault } from './vm-fault.js';

/**
 * What a private node asks of reclaim (RFC v4, struct node_reclaim_policy); the core zeroes it
 * before the call.
 */
export interface NodeReclaimPolicy {
  /** Set by the core after the call: somebody answered. */
  active: boolean;
  /** Boosted kswapd passes may swap. Can only enable. */
  may_swap: boolean;
  /** Boosted kswapd passes may write pages. Can only enable. */
  may_writepage: boolean;
  /** The owner manages watermark_boost: the core neither clears nor recomputes it. */
  managed_watermarks: boolean;
}

/**
 * The seven hook points: what mm asks of whoever owns a folio. One owner answers, so there is no
 * order to configure. A private node fills them from its `node_private_ops`, a dev_pagemap from its
 * `dev_pagemap_ops`: the core does not know which. All are slow path. Folios are pfns of their
 * first page; failures are `-errno`.
 */
export interface HookOps {
  /**
   * Called by: `__folio_put`, `folios_put_refs`, when the last reference went.
   * Holding:   nothing; the refcount is 0. The folio may still be on an LRU list and charged.
   * May:       keep the folio by taking a reference; it will be called again when that one goes.
   *            Sleep, unless the last reference went in an interrupt or under a spin lock.
   * Returns:   true if the folio was taken care of (the core must not touch it), false to free it
   *            normally.
   * Linux:     RFC v4 patch 10, `node_private_ops.free_folio`; `dev_pagemap_ops.folio_free`.
   */
  free_folio(folio: number): boolean;

  /**
   * Called by: `__folio_split`, once for each new folio and once more with `fresh` -1 for the
   *            original.
   * Holding:   both folios locked and frozen (refcount 0), interrupts off.
   * May:       copy metadata; must not touch references, must not sleep.
   * Returns:   nothing.
   * Linux:     RFC v4 patch 11, `node_private_ops.folio_split`; `dev_pagemap_ops.folio_split`.
   */
  folio_split(orig: number, fresh: number): void;

  /**
   * Called by: move_pages, migrate_pages, demotion, when the target node belongs to this owner.
   * Holding:   the folios are isolated; a temporary reference keeps the owner registered.
   * May:       sleep, ask for its own memory, call `Migrate.migratePages`; unmoved folios
   *            stay in the list.
   * Returns:   0 all moved, >0 number of folios not moved, <0 -errno (as migrate_pages does).
   * Linux:     RFC v4 patch 12, `node_private_ops.migrate_to`; absent means -ENODEV.
   */
  migrate_to(folios: number[], nid: number, mode: number, reason: number): number;

  /**
   * Called by: `migrate_folio_move`, after the copy and before the mappings are restored, if `src`
   *            is this owner's.
   * Holding:   both folios locked; faulters wait on migration entries.
   * May:       move metadata from `src` to `dst`; sleep, as folio locks let it.
   * Returns:   nothing. Arrival is not notified, only departure.
   * Linux:     RFC v4 patch 12, `node_private_ops.folio_migrate`.
   */
  folio_migrate(src: number, dst: number): void;

  /**
   * Called by: `handle_pte_fault` for a present entry that trapped, before the read/write decision.
   *            A fault on a plugin's own non-present entry goes to its `EntryType` instead.
   * Holding:   the page-table lock: `vmf.unlock()` must be called on every path.
   * May:       sleep and migrate after unlocking.
   * Returns:   VM_FAULT_* bits; 0 or VM_FAULT_RETRY makes the access try again.
   * Linux:     RFC v4 patch 15, `node_private_ops.handle_fault`; `dev_pagemap_ops.migrate_to_ram`.
   */
  handle_fault(folio: number, vmf: VmFault, level: number): number;

  /**
   * Called by: `balance_pgdat` once a run, `__setup_per_zone_wmarks` once a node.
   * Holding:   RCU: must not sleep.
   * May:       fill in the policy.
   * Returns:   nothing.
   * Linux:     RFC v4 patch 16, `node_private_ops.reclaim_policy`.
   */
  reclaim_policy(nid: number, policy: NodeReclaimPolicy): void;

  /**
   * Called by: `memory_failure`, after the poison flag was newly set.
   * Holding:   perhaps no reference at all: the page may be free.
   * May:       sleep; take note; ordinary handling follows in any case.
   * Returns:   nothing.
   * Linux:     RFC v4 patch 21, `node_private_ops.memory_failure`;
   *            `dev_pagemap_ops.memory_failure`.
   */
  memory_failure(folio: number, pfn: number, flags: number): void;
}

/** Name of a hook. */
export type HookName = keyof HookOps;
