import {
  createToken,
  EBUSY,
  EINVAL,
  ENODEV,
  type Folios,
  FoliosToken,
  type HookOps,
  inject,
  injectable,
  type Managed,
  ManagedToken,
  type Migrate,
  type MigrateRange,
  MigrateRangeToken,
  MigrateToken,
  MmError,
  N_MEMORY,
  N_MEMORY_PRIVATE,
  N_POSSIBLE,
  type Nodes,
  NodesToken,
  type Owner,
  type VmFault,
} from '@mm-lab/mm-core';
import { NodePrivateConfig } from './config.js';
import { checkCapsForm, checkOpsForm } from './ops-form.js';
import { type Profile, ProfileToken } from './profiles/profile.js';

/** Callbacks and opt-in flags of a private node (RFC v4, struct node_private_ops). */
export interface NodePrivateOps extends Partial<HookOps> {
  /** NP_OPS_* bits. */
  readonly flags: number;
  /** `handle_fault(vmf)` as the cover letter has it: called under divergence D7, text. */
  handle_fault_vmf?(fault: FaultOnFolio): number;
}

/** A fault with the folio and the level it happened at (LEVEL_PTE, LEVEL_PMD). */
export interface FaultOnFolio extends VmFault {
  readonly folio: number;
  readonly level: number;
}

/**
 * What a driver registers for a node (RFC v4, struct node_private). The driver owns it; it must
 * stay valid until `node_private_unregister` has returned. The opaque `owner` of the RFC is the
 * object itself.
 */
export interface NodePrivateInfo {
  /** Whose node it is, for messages (`owner`). */
  readonly name: string;
  /** NODE_PRIVATE_CAP_* bits, for the profile that has them; default none. */
  readonly caps?: number;
}

interface Registration {
  readonly np: NodePrivateInfo;
  readonly owner: Owner;
  ops: NodePrivateOps | null;
  /** 1 registered; each `migrate_to` under way holds one more (np->refcount). */
  refs: number;
}

/**
 * Registration of private nodes (RFC v4 patch 01, drivers/base/node.c). Names, order of checks and
 * error codes are those of the posted code, or of the text where a divergence is chosen so.
 *
 * none --register--> registered --online--> N_MEMORY_PRIVATE --set_ops--> serving, and back by
 * clear_ops, offline, unregister.
 *
 * `migrate_to` may sleep, so it holds a temporary reference until all that it began is done: a
 * background batch goes on after its call has returned. Unregistering waits for those.
 */
@injectable()
export class NodePrivate {
  private readonly byNode = new Map<number, Registration>();
  private readonly owners = new Map<number, Owner>();
  /** Ops that a node had when it was unregistered. */
  private readonly lastOps = new Map<number, NodePrivateOps>();
  private isUp = false;

  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(MigrateRangeToken) private readonly migrateRange: MigrateRange,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ProfileToken) private readonly profile: Profile,
    @inject(NodePrivateConfig) private readonly config: NodePrivateConfig,
  ) {}

  /** The node subsystem is up (node_dev_init): drivers that probe from now on may register. */
  nodeDevInit(): void {
    this.isUp = true;
  }

  /**
   * @returns 0; -EINVAL no np, not a possible node, or capabilities that miss another; -ENODEV
   *   before the node subsystem is up, or without hotplug in the kernel; -EBUSY node has ordinary
   *   memory, or another driver's
   * @throws MmError CAPS_MALFORMED for capabilities that are no sum of bits
   */
  node_private_register(nid: number, np: NodePrivateInfo | null): number {
    if (!this.isBuilt()) return -ENODEV;
    if (np === null || !this.isPossible(nid)) return -EINVAL;
    if (!this.isUp) return -ENODEV;
    this.lock();
    if (this.nodes.hasState(nid, N_MEMORY)) return -EBUSY;
    const known = this.byNode.get(nid);
    if (known !== undefined) return known.np === np ? 0 : -EBUSY;
    checkCapsForm(np);
    const grants = this.profile.registered(np);
    if (grants < 0) return grants;
    const owner = this.ownerOf(nid, np.name);
    owner.seal({}, grants);
    owner.entry = this.profile.entry;
    owner.migrationBlocked = false;
    this.byNode.set(nid, { np, owner, ops: null, refs: 1 });
    this.lastOps.delete(nid);
    this.managed.setNodeOwner(nid, owner);
    this.nodes.pgdat(nid).private = true;
    return 0;
  }

  /**
   * Waits until no callback of the np is under way; afterwards none can run.
   * @returns 0; -EBUSY while the node has memory online; 0 too if there is nothing to undo
   * @throws MmError NODE_BUSY from inside a callback of this np, where the kernel waits for ever
   */
  node_private_unregister(nid: number): number {
    this.lock();
    const known = this.byNode.get(nid);
    if (known === undefined) return 0;
    if (this.nodes.hasState(nid, N_MEMORY_PRIVATE)) return -EBUSY;
    this.byNode.delete(nid);
    if (known.ops !== null) this.lastOps.set(nid, known.ops);
    this.managed.setNodeOwner(nid, null);
    this.nodes.pgdat(nid).private = false;
    known.refs--;
    this.migrate.waitForBatches();
    if (known.refs === 0) return 0;
    throw new MmError('NODE_BUSY', { plugin: known.np.name, hook: 'migrate_to' });
  }

  /**
   * Opts in. @returns 0; -EINVAL no ops, bad node, or flags without what they oblige; -ENODEV
   * nothing registered; -EBUSY other ops are there (divergence D3, text)
   * @throws MmError PROFILE_WITHOUT_CALLBACKS if the profile has no ops; OPS_MALFORMED for flags
   *   that are no sum of bits, or a callback that nobody would call
   */
  node_private_set_ops(nid: number, ops: NodePrivateOps | null): number {
    if (!this.isBuilt()) return -ENODEV;
    if (ops === null || !this.isPossible(nid)) return -EINVAL;
    this.lock();
    const known = this.byNode.get(nid);
    const name = known?.np.name ?? `node ${nid}`;
    checkOpsForm(ops, name);
    const rc = this.profile.check(ops, known?.ops ?? null, name);
    if (rc < 0) return rc;
    if (known === undefined) return -ENODEV;
    known.ops = ops;
    const callbacks = this.profile.callbacks(this.withReference(known, ops));
    known.owner.seal(callbacks, this.profile.grants(ops), this.profile.mistakes(ops));
    return 0;
  }

  /**
   * Opts out of everything. @returns 0; -EINVAL bad node or not the current ops; -ENODEV nothing
   * registered, unless `lateClear` is mended and these were its last ops; -EBUSY if teardown is
   * mended and a folio cannot leave the node
   */
  node_private_clear_ops(nid: number, ops: NodePrivateOps): number {
    if (!this.isBuilt()) return -ENODEV;
    if (!this.isPossible(nid)) return -EINVAL;
    this.lock();
    const known = this.byNode.get(nid);
    if (known === undefined) return this.clearLate(nid, ops);
    if (known.ops !== ops) return -EINVAL;
    if (this.config.teardown === 'mended' && !this.isEmptied(nid)) return -EBUSY;
    known.ops = null;
    known.owner.clear();
    return 0;
  }

  /** The node is unregistered: its last ops are cleared already. */
  private clearLate(nid: number, ops: NodePrivateOps): number {
    if (this.config.lateClear === 'v4' || this.lastOps.get(nid) !== ops) return -ENODEV;
    this.lastOps.delete(nid);
    return 0;
  }

  /** Moves the node's folios to ordinary memory while they still may. @returns did all go? */
  private isEmptied(nid: number): boolean {
    const pgdat = this.nodes.pgdat(nid);
    if (pgdat.managedPages() === 0) return true;
    this.migrate.waitForBatches();
    this.folios.lruAddDrainAll();
    for (const { base, spannedPages } of pgdat.zones) {
      this.migrateRange.run(nid, { base, pages: spannedPages });
    }
    this.folios.lruAddDrainAll();
    return pgdat.unusedPages() === pgdat.managedPages();
  }

  /** References to what is registered for a node; -1 if nothing is. */
  refsOf(nid: number): number {
    return this.byNode.get(nid)?.refs ?? -1;
  }

  /** The ops that a node has now, or null. */
  opsOf(nid: number): NodePrivateOps | null {
    return this.byNode.get(nid)?.ops ?? null;
  }

  /** NP_OPS_* bits of a node; 0 without ops (node_private_flags). */
  node_private_flags(nid: number): number {
    return this.byNode.get(nid)?.ops?.flags ?? 0;
  }

  /** The owner of a registered node: what it lets mm do, whether migration into it is blocked. */
  ownerOfNode(nid: number): Owner | null {
    return this.byNode.get(nid)?.owner ?? null;
  }

  /** Registered nodes, ascending (sysfs has_private_memory lists those that are online). */
  registered(): number[] {
    return [...this.byNode.keys()].sort((a, b) => a - b);
  }

  /** Takes the temporary reference around `migrate_to` (node_private_migrate_to). */
  private withReference(known: Registration, ops: NodePrivateOps): NodePrivateOps {
    if (ops.migrate_to === undefined) return ops;
    const migrateTo = ops.migrate_to.bind(ops);
    const wrapped: NodePrivateOps = Object.create(ops);
    return Object.assign(wrapped, {
      migrate_to: (folios: number[], nid: number, mode: number, reason: number) => {
        known.refs++;
        try {
          return migrateTo(folios, nid, mode, reason);
        } finally {
          this.migrate.afterCompletion(() => known.refs--);
        }
      },
    });
  }

  /** Without CONFIG_MEMORY_HOTPLUG the calls are stubs. */
  private isBuilt(): boolean {
    return this.config.hotplug === 'built in';
  }

  /** Taking node_private_lock, a mutex, may sleep. Nobody else ever holds it here. */
  private lock(): void {
    this.managed.might_sleep('node_private_lock');
  }

  private isPossible(nid: number): boolean {
    return this.nodes.exists(nid) && this.nodes.hasState(nid, N_POSSIBLE);
  }

  /** One owner byte per node for the life of the machine, whoever registers it. */
  private ownerOf(nid: number, name: string): Owner {
    const known = this.owners.get(nid);
    if (known !== undefined) return known;
    const made = this.managed.createOwner(name, 'private-node');
    this.owners.set(nid, made);
    return made;
  }
}
export const NodePrivateToken = createToken<NodePrivate>('NodePrivate');
