import type { HookName, HookOps } from './contracts.js';
import { GRANTS_APART } from './grants.js';
import { ABSENT_OPS } from './table.js';

/** How an owner came by its pages; the core treats all kinds through the same hooks. */
export type OwnerKind = 'private-node' | 'page-map';

/**
 * One owner of memory: a sealed ops table with every hook filled, and what it lets mm do. Shape and
 * hooks are fixed; a private node swaps the table at `set_ops` and `clear_ops`.
 */
export class Owner {
  /** GRANT_* bits: the services of mm that may work on its memory. */
  grants = GRANTS_APART;
  /** Obligations that it does not meet, in words, for those who check drivers. */
  mistakes: readonly string[] = [];
  /** Do folios come in through `migrate_to`, or by mm's own migration with requests that ask? */
  entry: 'callback' | 'ordinary' = 'callback';
  /** Entry by migration is refused for now (`node_private.migration_blocked`, patch 14). */
  migrationBlocked = false;
  /**
   * What GUP answers for its pages to who doesn't say that it can handle them (try_grab_folio):
   * -errno, or 0 for pages like any others.
   */
  grabRefusal = 0;
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
  seal(callbacks: Partial<HookOps>, grants: number, mistakes: readonly string[] = []): void {
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
    this.grants = grants;
    this.mistakes = mistakes;
  }

  /** Back to no callbacks and to what memory set apart lets mm do. */
  clear(): void {
    this.ops = ABSENT_OPS;
    this.given = new Set();
    this.grants = GRANTS_APART;
    this.mistakes = [];
  }

  /** Was a callback given? */
  has(hook: HookName): boolean {
    return this.given.has(hook);
  }

  /** Does it let all of these services work on its memory? */
  allows(grants: number): boolean {
    return (this.grants & grants) === grants;
  }
}
