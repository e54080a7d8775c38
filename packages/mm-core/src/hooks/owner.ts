import { NP_OPS_MIGRATION } from '../abi/np-ops.js';
import type { HookName, HookOps } from './contracts.js';
import { ABSENT_OPS } from './table.js';

/** How an owner came by its pages; the core treats all kinds through the same hooks. */
export type OwnerKind = 'private-node' | 'page-map';

/**
 * Kernel-internal migration only (a device-private or device-coherent page: try_to_migrate works,
 * move_pages does not). Stands beside the NP_OPS_* bits in `Owner.flags`.
 */
export const OWNER_KERNEL_MIGRATE = 1 << 16;
/**
 * The owner's pages never go on an LRU list (ZONE_DEVICE: the page map shares storage with the LRU
 * linkage).
 */
export const OWNER_NO_LRU = 1 << 17;

/**
 * One owner of memory: a sealed ops table with every hook filled, and its opt-in flags. Shape and
 * hooks are fixed; a private node swaps the table at `set_ops` and `clear_ops`.
 */
export class Owner {
  /** NP_OPS_* and OWNER_* bits. 0: nothing is opted in. */
  flags = 0;
  /** Entry by migration is refused for now (`node_private.migration_blocked`, patch 14). */
  migrationBlocked = false;
  /** What the owner asks for; hooks it has no callback for are the defaults. */
  ops: HookOps = ABSENT_OPS;
  private given: ReadonlySet<HookName> = new Set();

  constructor(
    /** 1..255: the value of the owner byte. */
    readonly id: number,
    readonly name: string,
    readonly kind: OwnerKind,
  ) {}

  /** Fills the table: given callbacks, defaults for the rest. */
  seal(callbacks: Partial<HookOps>, flags: number): void {
    this.ops = {
      free_folio: callbacks.free_folio?.bind(callbacks) ?? ABSENT_OPS.free_folio,
      folio_split: callbacks.folio_split?.bind(callbacks) ?? ABSENT_OPS.folio_split,
      migrate_to: callbacks.migrate_to?.bind(callbacks) ?? ABSENT_OPS.migrate_to,
      folio_migrate: callbacks.folio_migrate?.bind(callbacks) ?? ABSENT_OPS.folio_migrate,
      handle_fault: callbacks.handle_fault?.bind(callbacks) ?? ABSENT_OPS.handle_fault,
      reclaim_policy: callbacks.reclaim_policy?.bind(callbacks) ?? ABSENT_OPS.reclaim_policy,
      memory_failure: callbacks.memory_failure?.bind(callbacks) ?? ABSENT_OPS.memory_failure,
    };
    const names = Object.keys(ABSENT_OPS) as HookName[];
    this.given = new Set(names.filter((name) => callbacks[name] !== undefined));
    this.flags = flags;
  }

  /** Back to no callbacks and no flags. */
  clear(): void {
    this.ops = ABSENT_OPS;
    this.given = new Set();
    this.flags = 0;
  }

  /** Was a callback given? The posted code tests the pointer and no flag (divergence D2). */
  has(hook: HookName): boolean {
    return this.given.has(hook);
  }

  /** May the kernel migrate its folios? */
  allowsKernelMigrate(): boolean {
    return (this.flags & (NP_OPS_MIGRATION | OWNER_KERNEL_MIGRATE)) !== 0;
  }
}
