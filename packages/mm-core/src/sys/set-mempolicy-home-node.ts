import { EINVAL, ENOENT, EOPNOTSUPP } from '../abi/errno.js';
import { MPOL_BIND, MPOL_PREFERRED_MANY } from '../abi/mempolicy.js';
import { N_ONLINE } from '../abi/node-states.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Mbind, MbindToken } from '../mm/mbind.js';
import { ADDRESS_SPACE, isPageAligned, pageAlign, vpnOf } from './user-range.js';

/** Arguments of set_mempolicy_home_node(2). */
export interface HomeNodeArgs {
  /** First byte. */
  readonly start: number;
  /** Bytes, rounded up to pages. */
  readonly len: number;
  readonly homeNode: number;
  /** Must be 0. */
  readonly flags: number;
}

/** set_mempolicy_home_node(2) (mm/mempolicy.c). */
@injectable()
export class SysSetMempolicyHomeNode {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(MbindToken) private readonly mm: Mbind,
  ) {}

  /** Areas before one that it does not suit keep the new home. */
  setMempolicyHomeNode(task: TaskStruct, { start, len, homeNode, flags }: HomeNodeArgs): number {
    if (!isPageAligned(start) || flags !== 0) return -EINVAL;
    if (!this.nodes.exists(homeNode) || !this.nodes.hasState(homeNode, N_ONLINE)) return -EINVAL;
    const size = pageAlign(len);
    if (start + size >= ADDRESS_SPACE) return -EINVAL;
    if (size === 0) return 0;
    let rc = -ENOENT;
    for (const { policy, ...part } of task.mm.within(vpnOf(start), vpnOf(start + size))) {
      if (policy === null) continue;
      if (policy.mode !== MPOL_BIND && policy.mode !== MPOL_PREFERRED_MANY) return -EOPNOTSUPP;
      rc = this.mm.setPolicy(task.mm, part.start, part.end, { ...policy, homeNode });
      if (rc < 0) return rc;
    }
    return rc;
  }
}
export const SysSetMempolicyHomeNodeToken =
  createToken<SysSetMempolicyHomeNode>('SysSetMempolicyHomeNode');
