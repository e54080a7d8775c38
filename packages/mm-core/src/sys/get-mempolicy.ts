import { EFAULT, EINVAL } from '../abi/errno.js';
import {
  MPOL_DEFAULT,
  MPOL_F_ADDR,
  MPOL_F_MEMS_ALLOWED,
  MPOL_F_NODE,
  MPOL_INTERLEAVE,
  MPOL_MODE_FLAGS,
  MPOL_WEIGHTED_INTERLEAVE,
} from '../abi/mempolicy.js';
import { N_POSSIBLE } from '../abi/node-states.js';
import { PAGE_SIZE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { NO_NODES, type Nodemask, nextNodeIn, nodemask } from '../mem/nodemask.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Policy, reportedNodes } from '../mem/policy.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Cpusets, CpusetsToken } from '../mm/cpuset.js';
import { type LookupNode, LookupNodeToken } from '../mm/lookup-node.js';
import { areaPolicy } from '../mm/policy-nodes.js';
import { ADDRESS_SPACE, vpnOf } from './user-range.js';

/** Arguments of get_mempolicy(2). */
export interface GetMempolicyArgs {
  /** Where the mode goes. */
  readonly policy: 'good' | 'bad' | null;
  /** Where the nodes go. */
  readonly nodemask: 'good' | 'bad' | null;
  readonly maxnode: number;
  readonly addr: number;
  /** MPOL_F_NODE, MPOL_F_ADDR, MPOL_F_MEMS_ALLOWED. */
  readonly flags: number;
}

/** What get_mempolicy(2) wrote. */
export interface GetMempolicyResult {
  /** 0 or -errno; the rest is 0 and empty then. */
  readonly rc: number;
  /** Mode with its flags, or the node that MPOL_F_NODE asked for. */
  readonly value: number;
  readonly nodes: Nodemask;
}

const BITS_PER_LONG = 64;
const KNOWN_FLAGS = MPOL_F_NODE | MPOL_F_ADDR | MPOL_F_MEMS_ALLOWED;

/** get_mempolicy(2) (mm/mempolicy.c:kernel_get_mempolicy, do_get_mempolicy). */
@injectable()
export class SysGetMempolicy {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(CpusetsToken) private readonly cpusets: Cpusets,
    @inject(LookupNodeToken) private readonly lookupNode: LookupNode,
  ) {}

  getMempolicy(task: TaskStruct, args: GetMempolicyArgs): GetMempolicyResult {
    if (args.nodemask !== null && args.maxnode < this.nodeIds()) return failed(-EINVAL);
    const found = this.find(task, args);
    if (found.rc < 0) return found;
    if (args.policy === 'bad') return failed(-EFAULT);
    const rc = this.copyOut(args);
    return rc < 0 ? failed(rc) : { ...found, nodes: this.visible(found.nodes, args) };
  }

  private find(task: TaskStruct, { addr, flags }: GetMempolicyArgs): GetMempolicyResult {
    if ((flags & ~KNOWN_FLAGS) !== 0) return failed(-EINVAL);
    if ((flags & MPOL_F_MEMS_ALLOWED) !== 0) {
      if ((flags & (MPOL_F_NODE | MPOL_F_ADDR)) !== 0) return failed(-EINVAL);
      return { rc: 0, value: 0, nodes: this.cpusets.memsAllowed(task) };
    }
    const byAddress = (flags & MPOL_F_ADDR) !== 0;
    const vma = byAddress ? task.mm.find(vpnOf(addr)) : null;
    if (byAddress && vma === null) return failed(-EFAULT);
    if (!byAddress && addr !== 0) return failed(-EINVAL);
    const policy = vma === null ? task.policy : areaPolicy(vma, vpnOf(addr));
    const nodes = policy === null ? NO_NODES : reportedNodes(policy);
    if ((flags & MPOL_F_NODE) === 0) return { rc: 0, value: modeWord(policy), nodes };
    const value = byAddress
      ? this.lookupNode.lookup(task.mm, vpnOf(addr), task.nid)
      : nextNode(task, policy);
    return value < 0 ? failed(value) : { rc: 0, value, nodes };
  }

  /** copy_nodes_to_user, its errors. */
  private copyOut({ nodemask: pointer, maxnode }: GetMempolicyArgs): number {
    if (pointer === null) return 0;
    const bytes = (wordsOf(maxnode) * BITS_PER_LONG) / 8;
    if (bytes > PAGE_SIZE) return -EINVAL;
    return pointer === 'bad' && bytes > 0 ? -EFAULT : 0;
  }

  /** Whole words are written, as many as the kernel's node ids need. */
  private visible(nodes: Nodemask, { nodemask: pointer, maxnode }: GetMempolicyArgs): Nodemask {
    if (pointer === null) return NO_NODES;
    const words = Math.min(wordsOf(maxnode), Math.ceil(this.nodeIds() / BITS_PER_LONG));
    return nodemask([...nodes].filter((nid) => nid < words * BITS_PER_LONG));
  }

  /** nr_node_ids: one more than the largest possible node. */
  private nodeIds(): number {
    return Math.max(0, ...this.nodes.inState(N_POSSIBLE)) + 1;
  }
}
export const SysGetMempolicyToken = createToken<SysGetMempolicy>('SysGetMempolicy');

function failed(rc: number): GetMempolicyResult {
  return { rc, value: 0, nodes: NO_NODES };
}

/** Words that hold the bits of a mask; rounding up the largest number wraps to none. */
function wordsOf(maxnode: number): number {
  const words = Math.ceil((maxnode - 1) / BITS_PER_LONG);
  return words >= ADDRESS_SPACE / BITS_PER_LONG ? 0 : words;
}

function modeWord(policy: Policy | null): number {
  return policy === null ? MPOL_DEFAULT : policy.mode | (policy.flags & MPOL_MODE_FLAGS);
}

/** Where the task's cursor stands. @returns node or -EINVAL */
function nextNode(task: TaskStruct, policy: Policy | null): number {
  if (policy?.mode === MPOL_WEIGHTED_INTERLEAVE && task.ilWeight > 0) return task.ilPrev;
  if (policy?.mode !== MPOL_WEIGHTED_INTERLEAVE && policy?.mode !== MPOL_INTERLEAVE) return -EINVAL;
  return nextNodeIn(task.ilPrev, policy.nodes);
}
