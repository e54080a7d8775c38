import { EINVAL } from '../abi/errno.js';
import {
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_F_MOF,
  MPOL_F_MORON,
  MPOL_F_NUMA_BALANCING,
  MPOL_F_PRIVATE,
  MPOL_F_RELATIVE_NODES,
  MPOL_F_STATIC_NODES,
  MPOL_LOCAL,
  MPOL_MAX,
  MPOL_MODE_FLAGS,
  MPOL_MODE_NAMES,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  NUMA_NO_NODE,
} from '../abi/mempolicy.js';
import {
  NO_NODES,
  type Nodemask,
  nodeList,
  nodemask,
  nodesAnd,
  nodesEqual,
  nodesRelative,
  nodesRemap,
  nthNode,
} from './nodemask.js';

/** A memory policy (struct mempolicy): a value, never changed. No policy is null. */
export interface Policy {
  /** MPOL_*, never MPOL_DEFAULT. */
  readonly mode: number;
  /** MPOL_F_*, the internal ones included. */
  readonly flags: number;
  /** Nodes it means now; empty for MPOL_LOCAL. */
  readonly nodes: Nodemask;
  /**
   * The kernel's union `w`: the user's mask under STATIC_NODES or RELATIVE_NODES, else the nodes
   * that the cpuset allowed when `nodes` was computed.
   */
  readonly w: Nodemask;
  /** Where to start looking (set_mempolicy_home_node), or NUMA_NO_NODE. */
  readonly homeNode: number;
}

/** A mode word taken apart. */
export interface ModeWord {
  readonly mode: number;
  readonly flags: number;
}

/** What a policy is made of. */
export interface PolicyRequest extends ModeWord {
  /** The mask as the user gave it. */
  readonly nodes: Nodemask;
  /** Nodes that the caller's cpuset allows. */
  readonly allowed: Nodemask;
  /** Nodes with memory. */
  readonly memory: Nodemask;
}

const USER_MASK = MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES;

/** Takes a mode word apart (mm/mempolicy.c:sanitize_mpol_flags). @returns the parts or -EINVAL */
export function parseModeWord(word: number): ModeWord | number {
  const flags = word & MPOL_MODE_FLAGS;
  const mode = word & ~MPOL_MODE_FLAGS;
  if (mode < 0 || mode >= MPOL_MAX) return -EINVAL;
  if ((flags & USER_MASK) === USER_MASK) return -EINVAL;
  if ((flags & MPOL_F_NUMA_BALANCING) === 0) return { mode, flags };
  if (mode !== MPOL_BIND && mode !== MPOL_PREFERRED_MANY) return -EINVAL;
  return { mode, flags: flags | MPOL_F_MOF | MPOL_F_MORON };
}

/**
 * Makes a policy and fits it to the nodes that are there and allowed (mpol_new, mpol_set_nodemask).
 * @returns the policy, null for MPOL_DEFAULT, or -EINVAL
 */
export function createPolicy(request: PolicyRequest): Policy | null | number {
  const { mode, flags, nodes, allowed } = request;
  const empty = nodes.size === 0;
  if (mode === MPOL_DEFAULT) return empty ? null : -EINVAL;
  if (mode === MPOL_LOCAL || (mode === MPOL_PREFERRED && empty)) {
    if (!empty || (flags & USER_MASK) !== 0) return -EINVAL;
    return { mode: MPOL_LOCAL, flags, nodes: NO_NODES, w: NO_NODES, homeNode: NUMA_NO_NODE };
  }
  if (empty) return -EINVAL;
  const base = nodesAnd(allowed, request.memory);
  const relative = (flags & MPOL_F_RELATIVE_NODES) !== 0;
  const fitted = relative ? nodesRelative(nodes, base) : nodesAnd(nodes, base);
  if (fitted.size === 0) return -EINVAL;
  return {
    mode,
    flags,
    nodes: mode === MPOL_PREFERRED ? nodemask([nthNode(fitted, 0)]) : fitted,
    w: (flags & USER_MASK) !== 0 ? nodes : base,
    homeNode: NUMA_NO_NODE,
  };
}

/** Do the policies mean the same, so that their areas may merge (mpol_equal)? */
export function samePolicy(a: Policy | null, b: Policy | null): boolean {
  if (a === b) return true;
  if (a === null || b === null) return false;
  if (a.mode !== b.mode || a.flags !== b.flags || a.homeNode !== b.homeNode) return false;
  if (storesUserMask(a) && !nodesEqual(a.w, b.w)) return false;
  return nodesEqual(a.nodes, b.nodes);
}

/**
 * The policy after its cpuset came to allow `allowed` (mpol_rebind_policy). PREFERRED and
 * PREFERRED_MANY keep their nodes: only the union is written, even over the user's mask.
 */
export function rebindPolicy(policy: Policy, allowed: Nodemask): Policy {
  if (policy.mode === MPOL_LOCAL) return policy;
  if (!storesUserMask(policy) && nodesEqual(policy.w, allowed)) return policy;
  if (policy.mode === MPOL_PREFERRED || policy.mode === MPOL_PREFERRED_MANY) {
    return { ...policy, w: allowed };
  }
  const nodes = reboundNodes(policy, allowed);
  const w = storesUserMask(policy) ? policy.w : allowed;
  return { ...policy, nodes: nodes.size === 0 ? allowed : nodes, w };
}

/** The policy with other nodes, which are private ones if `isPrivate` (mpol_rebind_nodemask). */
export function withNodes(policy: Policy, nodes: Nodemask, isPrivate: boolean): Policy {
  const flags = policy.flags & ~MPOL_F_PRIVATE;
  return { ...policy, nodes, flags: isPrivate ? flags | MPOL_F_PRIVATE : flags };
}

/** The mask that get_mempolicy reports. */
export function reportedNodes(policy: Policy): Nodemask {
  return storesUserMask(policy) ? policy.w : policy.nodes;
}

/** A policy as numa_maps prints it (mpol_to_str). */
export function policyText(policy: Policy | null): string {
  if (policy === null) return MPOL_MODE_NAMES[MPOL_DEFAULT];
  const flags: string[] = [];
  if ((policy.flags & MPOL_F_STATIC_NODES) !== 0) flags.push('static');
  if ((policy.flags & MPOL_F_RELATIVE_NODES) !== 0) flags.push('relative');
  if ((policy.flags & MPOL_F_NUMA_BALANCING) !== 0) flags.push('balancing');
  const mode = MPOL_MODE_NAMES[policy.mode] ?? 'unknown';
  const suffix = flags.length === 0 ? '' : `=${flags.join('|')}`;
  return policy.nodes.size === 0 ? mode + suffix : `${mode}${suffix}:${nodeList(policy.nodes)}`;
}

function storesUserMask(policy: Policy): boolean {
  return (policy.flags & USER_MASK) !== 0;
}

function reboundNodes({ flags, nodes, w }: Policy, allowed: Nodemask): Nodemask {
  if ((flags & MPOL_F_STATIC_NODES) !== 0) return nodesAnd(w, allowed);
  if ((flags & MPOL_F_RELATIVE_NODES) !== 0) return nodesRelative(w, allowed);
  return nodesRemap(nodes, w, allowed);
}
