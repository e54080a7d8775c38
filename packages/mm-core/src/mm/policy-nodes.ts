import {
  MPOL_BIND,
  MPOL_F_PRIVATE,
  MPOL_INTERLEAVE,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
  NUMA_NO_NODE,
} from '../abi/mempolicy.js';
import { createToken, inject, injectable } from '../base/di.js';
import { GRANT_MEMPOLICY } from '../hooks/grants.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import type { PolicyRules } from '../hooks/policy-rules.js';
import { Sites } from '../hooks/sites.js';
import type { AddressSpace } from '../mem/address-space.js';
import {
  type Nodemask,
  nextNodeIn,
  nodemask,
  nodesEqual,
  nodesIntersect,
  nthNode,
} from '../mem/nodemask.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Policy, withNodes } from '../mem/policy.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type MmStruct, pageIndex, type Vma } from '../mem/vma.js';
import { type InterleaveWeights, InterleaveWeightsToken } from './interleave-weights.js';
import type { Mempolicy, PolicyChoice } from './mempolicy.js';
import { type Work, WorkToken } from './work.js';

/** A policy with the place of a page in its interleaving. */
export interface IndexedPolicy {
  readonly policy: Policy | null;
  /** Interleave index; what it is modulo the nodes decides. */
  readonly ilx: number;
}

/** Which page of a vma, and how large. */
export interface PolicyPlace {
  readonly vma: Vma;
  readonly vpn: number;
  readonly order: number;
}

/**
 * The policies that programs set: that of the vma, else that of the running task, else the CPU's
 * node (mm/mempolicy.c:get_vma_policy, policy_nodemask). User pages interleave by their address,
 * also under the policy of a task; its cursor counts the kernel's own pages only.
 */
@injectable()
export class PolicyNodes implements Mempolicy {
  private readonly allocSite = Sites.index('mempolicy.vma_alloc_folio');
  private readonly maskSite = Sites.index('mempolicy.policy_nodemask');

  constructor(
    @inject(InterleaveWeightsToken) private readonly weights: InterleaveWeights,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(WorkToken) private readonly work: Work,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  choose(_mm: MmStruct, vma: Vma, vpn: number, cpuNid: number, order = 0): PolicyChoice {
    return this.askingChoice(this.policyOf({ vma, vpn, order }), cpuNid, this.allocSite);
  }

  /** For requests that can ask for nodes set apart, if the policy names some (patch 13). */
  askingChoice({ policy, ilx }: IndexedPolicy, cpuNid: number, site: number): PolicyChoice {
    const now = this.rules.granted === 'each time' ? this.stillGranted(policy) : policy;
    const choice = this.choiceOf(now, ilx, cpuNid);
    const gfp = this.managed.mpol_private_gfp(site, now?.flags ?? 0);
    return gfp === 0 ? choice : { ...choice, gfp };
  }

  /** For requests that cannot ask. */
  unaskedChoice(policy: Policy | null, ilx: number, cpuNid: number): PolicyChoice {
    const binds = this.rules.unasked === 'bound' || !isPrivate(policy);
    return this.choiceOf(binds ? policy : this.ordinaryPart(policy), ilx, cpuNid);
  }

  /** Policy of a page and its interleave index (get_vma_policy). */
  policyOf({ vma, vpn, order }: PolicyPlace): IndexedPolicy {
    const policy = areaPolicy(vma, vpn) ?? this.work.current?.policy ?? null;
    if (policy === null || !interleaves(policy)) return { policy, ilx: 0 };
    const unit = 2 ** order;
    const within = Math.floor(vma.pgoff / unit) + Math.floor((vpn - vma.start) / unit);
    return { policy, ilx: isShmem(vma.file) ? vma.file.ino + within : within };
  }

  /** For a page of a file in memory, whoever maps it (shmem_get_pgoff_policy). */
  shmemChoice(
    file: AddressSpace,
    { index, order }: { readonly index: number; readonly order: number },
    cpuNid: number,
  ): PolicyChoice {
    const policy = file.policy.lookup(index) ?? this.work.current?.policy ?? null;
    const ilx = file.ino + Math.floor(index / 2 ** order);
    return this.rules.shmem === 'asks'
      ? this.askingChoice({ policy, ilx }, cpuNid, this.allocSite)
      : this.unaskedChoice(policy, ilx, cpuNid);
  }

  /** For a page without an area: the running task's policy, whose cursor moves on. */
  taskChoice(cpuNid: number): PolicyChoice {
    const task = this.work.current;
    const policy = task?.policy ?? null;
    if (task === null || policy === null || !interleaves(policy)) {
      return this.unaskedChoice(policy, 0, cpuNid);
    }
    this.advanceCursor(1);
    return { nid: task.ilPrev, nodemask: null, gfp: 0, mode: policy.mode };
  }

  /** Nodes that a policy means for the page of this index (policy_nodemask). */
  private choiceOf(policy: Policy | null, ilx: number, cpuNid: number): PolicyChoice {
    if (policy === null) return { nid: cpuNid, nodemask: null, gfp: 0 };
    const { mode, nodes } = policy;
    const home = policy.homeNode === NUMA_NO_NODE ? cpuNid : policy.homeNode;
    if (mode === MPOL_BIND) {
      const nid = this.startOf(policy, home);
      return { nid, nodemask: this.bound(nodes), gfp: 0, mode };
    }
    if (mode === MPOL_PREFERRED_MANY) return { nid: home, nodemask: nodes, gfp: 0, mode };
    const nid = this.preferredNode(policy, ilx, cpuNid);
    return { nid, nodemask: null, gfp: 0, mode };
  }

  /**
   * The running task's kernel makes pages of its own, such as page tables: under an interleaving
   * policy each takes the next node (NO_INTERLEAVE_INDEX).
   */
  advanceCursor(pages: number): void {
    const task = this.work.current;
    const policy = task?.policy ?? null;
    if (task === null || policy === null || !interleaves(policy)) return;
    for (let page = 0; page < pages; page++) {
      if (policy.mode === MPOL_WEIGHTED_INTERLEAVE) this.advanceWeighted(task, policy.nodes);
      else task.ilPrev = nextNodeIn(task.ilPrev, policy.nodes);
    }
  }

  /** No ordinary zonelist has a private node: a walk to one begins in the mask, if not at home. */
  private startOf({ flags, nodes, homeNode }: Policy, nid: number): number {
    if (!this.managed.mpol_private_gfp(this.maskSite, flags)) return nid;
    return homeNode !== NUMA_NO_NODE || nodes.has(nid) ? nid : nthNode(nodes, 0);
  }

  private get rules(): PolicyRules {
    return this.managed.isolation.policy;
  }

  /** The policy without the nodes that no longer let policies name them; null if none is left. */
  private stillGranted(policy: Policy | null): Policy | null {
    if (policy === null || !isPrivate(policy)) return policy;
    return this.part(policy, (nid) =>
      this.managed.node_allows(this.maskSite, nid, GRANT_MEMPOLICY),
    );
  }

  private ordinaryPart(policy: Policy | null): Policy | null {
    if (policy === null) return null;
    return this.part(policy, (nid) => !this.managed.node_is_private(this.maskSite, nid));
  }

  private part(policy: Policy, keeps: (nid: number) => boolean): Policy | null {
    const nodes = nodemask([...policy.nodes].filter(keeps));
    if (nodes.size === 0) return null;
    const apart = [...nodes].some((nid) => this.managed.node_is_private(this.maskSite, nid));
    return nodesEqual(nodes, policy.nodes) ? policy : withNodes(policy, nodes, apart);
  }

  private preferredNode({ mode, nodes }: Policy, ilx: number, cpuNid: number): number {
    if (mode === MPOL_PREFERRED) return nthNode(nodes, 0);
    if (mode === MPOL_INTERLEAVE) return nthNode(nodes, ilx % nodes.size);
    return mode === MPOL_WEIGHTED_INTERLEAVE ? this.weightedNode(nodes, ilx) : cpuNid;
  }

  /** weighted_interleave_nid. */
  private weightedNode(nodes: Nodemask, ilx: number): number {
    let total = 0;
    for (const nid of nodes) total += this.weights.weightOf(nid);
    let target = ilx % total;
    for (const nid of nodes) {
      target -= this.weights.weightOf(nid);
      if (target < 0) return nid;
    }
    return nthNode(nodes, 0);
  }

  /** weighted_interleave_nodes. */
  private advanceWeighted(task: TaskStruct, nodes: Nodemask): void {
    if (task.ilWeight === 0 || !nodes.has(task.ilPrev)) {
      task.ilPrev = nextNodeIn(task.ilPrev, nodes);
      task.ilWeight = this.weights.weightOf(task.ilPrev);
    }
    task.ilWeight--;
  }

  /**
   * A mask of which the cpuset allows nothing does not bind, nor does one of nodes with movable
   * memory only a page that must not move (apply_policy_zone).
   */
  private bound(nodes: Nodemask): Nodemask | null {
    const mayMove = !this.work.inPin();
    if (!mayMove && ![...nodes].some((nid) => this.nodes.hasNormalMemory(nid))) return null;
    const allowed = this.work.current?.memsAllowed ?? null;
    if (allowed === null || nodesIntersect(nodes, allowed)) return nodes;
    return [...nodes].some((nid) => this.managed.is_outside_cpusets(nid)) ? nodes : null;
  }
}
export const PolicyNodesToken = createToken<PolicyNodes>('PolicyNodes');

/** Policy set for the area or its file, or null (__get_vma_policy). */
export function areaPolicy(vma: Vma, vpn: number): Policy | null {
  return isShmem(vma.file) ? vma.file.policy.lookup(pageIndex(vma, vpn)) : vma.policy;
}

function isShmem(file: AddressSpace | null): file is AddressSpace {
  return file?.kind === 'shmem';
}

function isPrivate(policy: Policy | null): boolean {
  return policy !== null && (policy.flags & MPOL_F_PRIVATE) !== 0;
}

/** Do pages go to the nodes in turn? */
export function interleaves({ mode }: Policy): boolean {
  return mode === MPOL_INTERLEAVE || mode === MPOL_WEIGHTED_INTERLEAVE;
}
