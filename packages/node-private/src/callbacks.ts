import {
  createToken,
  type FolioTable,
  FolioTableToken,
  GFP_HIGHUSER_MOVABLE,
  type HookOps,
  type Isolation,
  IsolationToken,
  inject,
  injectable,
  type Migrate,
  MigrateToken,
  MR_SYSCALL,
  type PageAlloc,
  PageAllocToken,
} from '@mm-lab/mm-core';
import { NodePrivateConfig } from './config.js';
import { GFP_PRIVATE } from './gfp.js';
import type { FaultOnFolio, NodePrivateOps } from './node-private.js';
import { NP_OPS_MIGRATION, NP_OPS_PROTECT_WRITE, NP_OPS_RECLAIM } from './np-ops.js';

/**
 * The callbacks of a node as the core shall dispatch them. RFC v4 calls whatever pointer is there;
 * its text says otherwise in three places (divergences D2, D6, D7).
 */
@injectable()
export class Callbacks {
  constructor(
    @inject(NodePrivateConfig) private readonly config: NodePrivateConfig,
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(IsolationToken) private readonly isolation: Isolation,
  ) {}

  /** What to seal for these ops. */
  of(ops: NodePrivateOps): Partial<HookOps> {
    const { divergences } = this.config;
    let callbacks = allOf(ops);
    if (divergences.faultSignature === 'text') callbacks = withFaultText(ops, callbacks);
    if (divergences.callbackGating === 'text') callbacks = flaggedOnly(ops.flags, callbacks);
    if (divergences.userMigration === 'text') callbacks = this.withOwnMigration(callbacks);
    return callbacks;
  }

  /** migrate_to_node moves folios by itself; demotion still goes to the service (D6, text). */
  private withOwnMigration(callbacks: Partial<HookOps>): Partial<HookOps> {
    const demote = callbacks.migrate_to;
    if (demote === undefined) return callbacks;
    return {
      ...callbacks,
      migrate_to: (folios, nid, mode, reason) => {
        return reason === MR_SYSCALL
          ? this.moveTo(folios, { nid, mode })
          : demote(folios, nid, mode, reason);
      },
    };
  }

  private moveTo(folios: number[], { nid, mode }: { nid: number; mode: number }): number {
    const gfp = GFP_HIGHUSER_MOVABLE | GFP_PRIVATE | this.isolation.asking;
    const { rc } = this.migrate.migratePages(folios, {
      mode,
      reason: MR_SYSCALL,
      newFolio: (src) => {
        const order = this.table.order[src] ?? 0;
        return this.pageAlloc.alloc({ gfp, order, nid, nodemask: null });
      },
    });
    return rc;
  }
}
export const CallbacksToken = createToken<Callbacks>('NodePrivateCallbacks');

function allOf(ops: NodePrivateOps): Partial<HookOps> {
  return {
    ...(ops.free_folio && { free_folio: ops.free_folio.bind(ops) }),
    ...(ops.folio_split && { folio_split: ops.folio_split.bind(ops) }),
    ...(ops.migrate_to && { migrate_to: ops.migrate_to.bind(ops) }),
    ...(ops.folio_migrate && { folio_migrate: ops.folio_migrate.bind(ops) }),
    ...(ops.handle_fault && { handle_fault: ops.handle_fault.bind(ops) }),
    ...(ops.reclaim_policy && { reclaim_policy: ops.reclaim_policy.bind(ops) }),
    ...(ops.memory_failure && { memory_failure: ops.memory_failure.bind(ops) }),
  };
}

/**
 * The flag of each callback (D2, text). free_folio, folio_split and memory_failure have none in the
 * series, so nothing can gate them.
 */
function flaggedOnly(flags: number, callbacks: Partial<HookOps>): Partial<HookOps> {
  const { migrate_to, folio_migrate, handle_fault, reclaim_policy, ...unflagged } = callbacks;
  const has = (flag: number): boolean => (flags & flag) !== 0;
  return {
    ...unflagged,
    ...(migrate_to && has(NP_OPS_MIGRATION) && { migrate_to }),
    ...(folio_migrate && has(NP_OPS_MIGRATION) && { folio_migrate }),
    ...(handle_fault && has(NP_OPS_PROTECT_WRITE) && { handle_fault }),
    ...(reclaim_policy && has(NP_OPS_RECLAIM) && { reclaim_policy }),
  };
}

/** One argument that holds all three (D7, text). */
function withFaultText(ops: NodePrivateOps, callbacks: Partial<HookOps>): Partial<HookOps> {
  const { handle_fault: _, ...others } = callbacks;
  const handle = ops.handle_fault_vmf?.bind(ops);
  if (handle === undefined) return others;
  return {
    ...others,
    handle_fault: (folio, vmf, level) => {
      const unlock = (): void => vmf.unlock();
      const fault: FaultOnFolio = Object.assign(Object.create(vmf), { folio, level, unlock });
      return handle(fault);
    },
  };
}
