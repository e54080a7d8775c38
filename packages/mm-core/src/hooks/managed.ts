import { MPOL_F_PRIVATE } from '../abi/mempolicy.js';
import { MAX_NUMNODES } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Callbacks, CallbacksToken } from './callbacks.js';
import type { HookName, NodeReclaimPolicy } from './contracts.js';
import { MmError } from './errors.js';
import {
  GRANT_LONGTERM_PIN,
  GRANT_LRU,
  GRANT_MADVISE,
  GRANT_MEMPOLICY,
  GRANT_MIGRATION,
  GRANT_NUMA_BALANCING,
  GRANT_OOM,
  GRANT_OOM_MEMS,
  GRANT_RECLAIM,
  GRANT_USER_MIGRATION,
  GRANT_WRITE,
} from './grants.js';
import { type Isolation, IsolationToken } from './isolation.js';
import { Owner, type OwnerKind } from './owner.js';
import { type Sites, SitesToken } from './sites.js';
import { SPECIAL_RULES, type SpecialRules } from './special-rules.js';
import type { VmFault } from './vm-fault.js';

/** The owner column of the folio table: one byte per page, 0 for ordinary memory. */
export type OwnerColumn = Uint8Array;
export const OwnerColumn = createToken<OwnerColumn>('OwnerColumn');

/**
 * Every question the core may ask about special memory, and every dispatch to an owner: the helpers
 * that the RFC puts in mm/internal.h and include/linux/node_private.h, one each, with the absent
 * case decided here. Nothing else reads the owner column. The first argument of a question is the
 * site that asks. What the answers are is decided by three modules: who may allocate where
 * (`Isolation`), which services an owner lets work on its memory (its `grants`), and whom to call
 * (`Callbacks`).
 */
@injectable()
export class Managed {
  /** Set once, before the machine runs: where RFC v4 is mended. */
  rules: SpecialRules = SPECIAL_RULES;
  private readonly owners: Owner[] = [];
  private readonly ownerOfNode: (Owner | null)[] = new Array<Owner | null>(MAX_NUMNODES).fill(null);

  constructor(
    @inject(OwnerColumn) private readonly column: OwnerColumn,
    @inject(SitesToken) private readonly sites: Sites,
    @inject(IsolationToken) readonly isolation: Isolation,
    @inject(CallbacksToken) private readonly callbacks: Callbacks,
  ) {}

  /** Makes a new owner; its pages are marked by `claim`. */
  createOwner(name: string, kind: OwnerKind): Owner {
    if (this.owners.length >= 255) throw new MmError('OWNER_LIMIT', { plugin: name });
    const owner = new Owner(this.owners.length + 1, name, kind);
    this.owners.push(owner);
    return owner;
  }

  /** Marks pages as the owner's; null gives them back. */
  claim(owner: Owner | null, base: number, pages: number): void {
    this.column.fill(owner === null ? 0 : owner.id, base, base + pages);
  }

  /** Pages came online on a node, or are about to leave it: they are its owner's, or nobody's. */
  claimForNode(nid: number, base: number, pages: number): void {
    this.claim(this.nodeOwner(nid), base, pages);
  }

  /** Makes the owner that of a whole node (`pgdat->node_private`); null clears it. */
  setNodeOwner(nid: number, owner: Owner | null): void {
    this.ownerOfNode[nid] = owner;
  }

  /**
   * The owner of a private node, or null (`NODE_DATA(nid)->node_private`). Not a question about a
   * folio: no site.
   */
  nodeOwner(nid: number): Owner | null {
    return this.ownerOfNode[nid] ?? null;
  }

  /** Owner of a page for drivers and reports; the core uses the questions below. */
  ownerOf(pfn: number): Owner | null {
    const id = this.column[pfn] ?? 0;
    return id === 0 ? null : (this.owners[id - 1] ?? null);
  }

  /** Calls per hook so far. */
  hookCalls(): ReadonlyMap<HookName, number> {
    return this.callbacks.counts();
  }

  /** Whoever may wait says so first. @throws MmError in a callback that may not */
  might_sleep(what: string): void {
    this.callbacks.mightSleep(what);
  }

  // Questions about folios

  /** Zone-device or private node (patch 05). */
  folio_is_private_managed(site: number, pfn: number): boolean {
    return this.sites.count(site, this.column[pfn] !== 0);
  }

  /** Does the folio's owner let this service work on it? Ordinary folios: yes. */
  folio_managed_allows(site: number, pfn: number, grant: number): boolean {
    const owner = this.askFolio(site, pfn);
    return owner === null || (owner.grants & grant) !== 0;
  }

  /** Ordinary folios: yes; others by opt-in (patch 12). */
  folio_managed_allows_migrate(site: number, pfn: number): boolean {
    return this.folio_managed_allows(site, pfn, GRANT_MIGRATION);
  }

  /** May move_pages and its like tell or change where the folio is (patch 12)? */
  folio_managed_allows_user_migrate(site: number, pfn: number): boolean {
    return this.folio_managed_allows(site, pfn, GRANT_USER_MIGRATION);
  }

  /** Must a mapping of the folio stay read-only (patch 15)? */
  folio_managed_wrprotect(site: number, pfn: number): boolean {
    return !this.folio_managed_allows(site, pfn, GRANT_WRITE);
  }

  /**
   * The same for a folio that a swap-in finds in the swap cache, where demotion may have left it on
   * a protected node. The posted series does not ask there and maps it writable, unless
   * `swapInFenced` says otherwise.
   */
  folio_managed_swap_in_wrprotect(site: number, pfn: number): boolean {
    return this.rules.swapInFenced && this.folio_managed_wrprotect(site, pfn);
  }

  /**
   * The same for a folio of shared memory that gets the protection of its area, which is writable
   * from the start: at a fault where nothing stood, or by mprotect. The posted series does not ask
   * there and maps it writable, unless `sharedFenced` says otherwise.
   */
  folio_managed_shared_wrprotect(site: number, pfn: number): boolean {
    return this.rules.sharedFenced && this.folio_managed_wrprotect(site, pfn);
  }

  /**
   * The same for a folio that write(2) changes through the kernel's own mapping. The posted series
   * does not ask there and the folio changes in place, unless `bufferedWritesFenced` says so.
   */
  folio_managed_buffered_wrprotect(site: number, pfn: number): boolean {
    return this.rules.bufferedWritesFenced && this.folio_managed_wrprotect(site, pfn);
  }

  /** May the folio be on an LRU list? Not if its page map says so (folio_is_zone_device). */
  folio_may_be_lru(site: number, pfn: number): boolean {
    return this.folio_managed_allows(site, pfn, GRANT_LRU);
  }

  /**
   * For a private node the flag decides alone (patch 20); null: the folio is ordinary, other rules
   * apply.
   */
  folio_managed_allows_longterm_pin(site: number, pfn: number): boolean | null {
    const owner = this.askFolio(site, pfn);
    return owner === null ? null : owner.allows(GRANT_LONGTERM_PIN);
  }

  /** What GUP answers instead of a reference to the folio: -errno, or 0 (try_grab_folio). */
  folio_managed_grab_refusal(site: number, pfn: number): number {
    return this.askFolio(site, pfn)?.grabRefusal ?? 0;
  }

  /** Does NUMA balancing look at the folio (patch 18)? */
  folio_managed_allows_numa(site: number, pfn: number): boolean {
    return this.folio_managed_allows(site, pfn, GRANT_NUMA_BALANCING);
  }

  /**
   * Do MADV_COLD and MADV_PAGEOUT leave a huge page as it is? The posted series asks about base
   * pages only (patch 07), unless `hugeAdviceAsks` says otherwise.
   */
  folio_managed_refuses_huge_advice(site: number, folio: number): boolean {
    return this.rules.hugeAdviceAsks && !this.folio_managed_allows(site, folio, GRANT_MADVISE);
  }

  // Questions about nodes

  /** The gate (patch 03): a node set apart only for requests that may. */
  numa_zone_alloc_allowed(site: number, nid: number, gfp: number): boolean {
    const apart = this.sites.count(site, this.ownerOfNode[nid] !== null);
    return !apart || this.isolation.admits(nid, gfp);
  }

  /** Is the node an N_MEMORY_PRIVATE one? */
  node_is_private(site: number, nid: number): boolean {
    return this.sites.count(site, this.ownerOfNode[nid] !== null);
  }

  /** A private node has a kswapd only if its service started one (patch 13). */
  node_has_kswapd(site: number, nid: number, running: boolean): boolean {
    this.askNode(site, nid);
    return running;
  }

  /** Do folios come to the node through its owner's `migrate_to` (patch 12)? */
  node_takes_by_callback(site: number, nid: number): boolean {
    return this.askNode(site, nid)?.entry === 'callback';
  }

  /** May users move folios to the node? Where a callback takes them in, it says so itself. */
  node_may_be_target(nid: number): boolean {
    const owner = this.nodeOwner(nid);
    return owner?.entry !== 'ordinary' || owner.allows(GRANT_USER_MIGRATION);
  }

  /** Flags that a request for memory of the node needs besides its own; none for ordinary nodes. */
  gfp_for_node(nid: number): number {
    return this.nodeOwner(nid) === null ? 0 : this.isolation.asking;
  }

  /** Do cpusets have no say about the node? */
  is_outside_cpusets(nid: number): boolean {
    return !this.isolation.inCpusets && this.nodeOwner(nid) !== null;
  }

  /** Do tasks compete for memory if their cpusets meet on this node only (patch 17)? */
  node_counts_for_oom(site: number, nid: number): boolean {
    return this.node_allows(site, nid, GRANT_OOM_MEMS);
  }

  /** Is the range nobody's, or the node's own private owner's (else add_memory says -EEXIST)? */
  range_may_be_onlined(site: number, nid: number, base: number): boolean {
    const owner = this.askFolio(site, base);
    return owner === null || owner === this.ownerOfNode[nid];
  }

  /** Does the node's owner let all of these services work on it? Ordinary nodes: yes. */
  node_allows(site: number, nid: number, grants: number): boolean {
    const owner = this.askNode(site, nid);
    return owner === null || owner.allows(grants);
  }

  /** Private nodes of a mask, and whether all of them may be named by policies (patch 13). */
  nodes_private_mpol_allowed(site: number, nodes: ReadonlySet<number>): 'none' | 'all' | 'not all' {
    let found: 'none' | 'all' | 'not all' = 'none';
    for (const nid of nodes) {
      const owner = this.askNode(site, nid);
      if (owner === null || found === 'not all') continue;
      found = owner.allows(GRANT_MEMPOLICY) ? 'all' : 'not all';
    }
    return found;
  }

  /** Flags that an allocation by a policy needs besides its own (patch 13). */
  mpol_private_gfp(site: number, policyFlags: number): number {
    const isPrivate = this.sites.count(site, (policyFlags & MPOL_F_PRIVATE) !== 0);
    return isPrivate ? this.isolation.asking : 0;
  }

  /** Does the node refuse entry by migration for now (patch 14)? */
  node_private_migration_blocked(site: number, nid: number): boolean {
    return this.askNode(site, nid)?.migrationBlocked ?? false;
  }

  /** Nodes that a cpuset's change moves memory to: all of them, or the ordinary ones. */
  cpuset_targets(site: number, nodes: ReadonlySet<number>): ReadonlySet<number> {
    if (!this.rules.cpusetMovesOrdinary) return nodes;
    return new Set([...nodes].filter((nid) => !this.node_is_private(site, nid)));
  }

  /** May memory of this owner (null: ordinary) be plugged into the node? */
  node_takes_memory_of(site: number, nid: number, adder: Owner | null): boolean {
    return !this.rules.hotAddGuarded || this.askNode(site, nid) === adder;
  }

  /** Demotion targets without those that are blocked, if they are passed over. */
  demotion_targets(site: number, nodes: ReadonlySet<number>): ReadonlySet<number> {
    if (!this.rules.blockedPassedOver) return nodes;
    return new Set([...nodes].filter((nid) => !this.node_private_migration_blocked(site, nid)));
  }

  /** Nodes that reclaim for a group visits beside those of the zonelist. */
  nodes_for_group_reclaim(site: number, apart: readonly number[]): readonly number[] {
    if (!this.rules.groupReclaimVisits) return [];
    return apart.filter((nid) => this.zone_reclaim_allowed(site, nid));
  }

  /** Does demotion wait for the full target, whose kswapd runs, instead of going lower? */
  demotion_waits_for(site: number, nid: number): boolean {
    return this.rules.demotionOrdered && this.zone_reclaim_allowed(site, nid);
  }

  /** Nodes that numa_maps tells of beside the ordinary ones. */
  nodes_in_numa_maps(site: number, apart: readonly number[]): readonly number[] {
    if (!this.rules.numaMapsCounted) return [];
    return apart.filter((nid) => this.node_is_private(site, nid));
  }

  /** Nodes that memory.numa_stat has beside the ordinary ones. */
  nodes_in_numa_stat(site: number, apart: readonly number[]): readonly number[] {
    if (!this.rules.numaStatCounted) return [];
    return apart.filter((nid) => this.node_is_private(site, nid));
  }

  /** Is the node left out of has_normal_memory? */
  normal_memory_leaves_out(site: number, nid: number): boolean {
    return this.rules.normalMemoryOrdinary && this.node_is_private(site, nid);
  }

  /** Private zones by flag, others yes (patch 16; the cpuset part is the caller's). */
  zone_reclaim_allowed(site: number, nid: number): boolean {
    return this.node_allows(site, nid, GRANT_RECLAIM);
  }

  /** Does the node count when memory is looked for before a kill (patch 17)? */
  node_oom_eligible(site: number, nid: number): boolean {
    return this.node_allows(site, nid, GRANT_OOM);
  }

  // Dispatch

  /** True if the owner took care of the folio (patch 10). */
  folio_managed_on_free(site: number, folio: number): boolean {
    return this.callbacks.free_folio(this.askFolio(site, folio), folio);
  }

  /**
   * The same for a folio that reclaim frees in a batch of its own. The posted series has no hook
   * there, so owners do not see these frees unless `reclaimFreesHooked` says otherwise.
   */
  folio_managed_on_reclaim_free(site: number, folio: number): boolean {
    return this.rules.reclaimFreesHooked && this.folio_managed_on_free(site, folio);
  }

  /** Tells the owner of a split: `fresh` is a new folio, or -1 for the original (patch 11). */
  folio_managed_split_cb(site: number, orig: number, fresh: number): void {
    this.callbacks.folio_split(this.askFolio(site, orig), orig, fresh);
  }

  /** Hands folios to the node's owner: 0, the number not moved, or -errno (patch 12). */
  node_private_migrate_to(folios: number[], nid: number, mode: number, reason: number): number {
    return this.callbacks.migrate_to(this.nodeOwner(nid), folios, { nid, mode, reason });
  }

  /** Tells the source's owner that the folio leaves or moves (patch 12). */
  folio_managed_migrate_notify(site: number, src: number, dst: number): void {
    this.callbacks.folio_migrate(this.askFolio(site, src), src, dst);
  }

  /** Gives a fault to the owner: VM_FAULT_* bits, or -1 if nobody takes it (patch 15). */
  folio_managed_handle_fault(site: number, folio: number, vmf: VmFault, level: number): number {
    return this.callbacks.handle_fault(this.askFolio(site, folio), folio, vmf, level);
  }

  /** Asks the node's owner for its reclaim policy (patch 16). */
  node_private_reclaim_policy(site: number, nid: number): NodeReclaimPolicy {
    return this.callbacks.reclaim_policy(this.askNode(site, nid), nid);
  }

  /** Notifies the owner of poison (patch 21). */
  folio_managed_memory_failure(site: number, folio: number, pfn: number, flags: number): void {
    this.callbacks.memory_failure(this.askFolio(site, folio), folio, pfn, flags);
  }

  private askFolio(site: number, pfn: number): Owner | null {
    const id = this.column[pfn] ?? 0;
    return this.sites.count(site, id !== 0) ? (this.owners[id - 1] ?? null) : null;
  }

  private askNode(site: number, nid: number): Owner | null {
    const owner = this.ownerOfNode[nid] ?? null;
    return this.sites.count(site, owner !== null) ? owner : null;
  }
}
export const ManagedToken = createToken<Managed>('Managed');
