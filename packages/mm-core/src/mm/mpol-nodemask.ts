import { EINVAL } from '../abi/errno.js';
import { MPOL_LOCAL } from '../abi/mempolicy.js';
import { N_MEMORY, N_MEMORY_PRIVATE } from '../abi/node-states.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type Nodemask, nodemask } from '../mem/nodemask.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import {
  createPolicy,
  type Policy,
  type PolicyRequest,
  rebindPolicy,
  withNodes,
} from '../mem/policy.js';

/** Which nodes a policy may name: private ones only if they let it (RFC v4 patch 13). */
@injectable()
export class MpolNodemask {
  private readonly setSite = Sites.index('mempolicy.mpol_set_nodemask');
  private readonly rebindSite = Sites.index('mempolicy.mpol_rebind_nodemask');

  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /**
   * Makes a policy of the nodes that have memory and are allowed (mpol_set_nodemask).
   * @returns the policy, null for MPOL_DEFAULT, or -EINVAL, also for a node that refuses policies
   */
  create(request: Omit<PolicyRequest, 'memory'>): Policy | null | number {
    const { isolation } = this.managed;
    const memory = this.withMemory();
    const apart = isolation.inCpusets ? [] : this.nodes.inState(N_MEMORY_PRIVATE);
    const allowed = nodemask([...request.allowed, ...apart]);
    const policy = createPolicy({ ...request, allowed, memory });
    if (policy === null || typeof policy === 'number') return policy;
    const named = this.asked(policy.nodes, this.setSite);
    if (named !== 'not all')
      return named === 'all' ? withNodes(policy, policy.nodes, true) : policy;
    if (isolation.ungrantedInPolicy === 'refuse') return -EINVAL;
    const granted = this.granted(memory, this.setSite);
    const trimmed = createPolicy({ ...request, allowed, memory: granted });
    if (trimmed === null || typeof trimmed === 'number') return trimmed;
    return withNodes(trimmed, trimmed.nodes, this.asked(trimmed.nodes, this.setSite) === 'all');
  }

  /** Nodes that refuse policies fall out; a cpuset always leaves one (mpol_rebind_nodemask). */
  rebind(policy: Policy, allowed: Nodemask): Policy {
    const rebound = rebindPolicy(policy, allowed);
    if (rebound === policy || rebound.mode === MPOL_LOCAL) return rebound;
    if (rebound.nodes === policy.nodes) return rebound;
    const kept = this.granted(rebound.nodes, this.rebindSite);
    const nodes = kept.size === 0 ? rebound.nodes : kept;
    return withNodes(rebound, nodes, this.asked(nodes, this.rebindSite) === 'all');
  }

  private asked(nodes: Nodemask, site: number): 'none' | 'all' | 'not all' {
    return this.managed.nodes_private_mpol_allowed(site, nodes);
  }

  private granted(nodes: Nodemask, site: number): Nodemask {
    return nodemask([...nodes].filter((nid) => this.asked(new Set([nid]), site) !== 'not all'));
  }

  private withMemory(): Nodemask {
    return nodemask([...this.nodes.inState(N_MEMORY), ...this.nodes.inState(N_MEMORY_PRIVATE)]);
  }
}
export const MpolNodemaskToken = createToken<MpolNodemask>('MpolNodemask');
