import { NODEMASK_BITS } from '../abi/mempolicy.js';
import { createToken, inject, injectable } from '../base/di.js';
import { parseModeWord } from '../mem/policy.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Cpusets, CpusetsToken } from '../mm/cpuset.js';
import { type MpolNodemask, MpolNodemaskToken } from '../mm/mpol-nodemask.js';
import { interleaves } from '../mm/policy-nodes.js';
import { getNodes, type UserNodemask } from './user-nodemask.js';

/** set_mempolicy(2) (mm/mempolicy.c:kernel_set_mempolicy). */
@injectable()
export class SysSetMempolicy {
  constructor(
    @inject(MpolNodemaskToken) private readonly mpolNodemask: MpolNodemask,
    @inject(CpusetsToken) private readonly cpusets: Cpusets,
  ) {}

  /** @param mode MPOL_* with its flags @returns 0 or -errno, and then the policy stays */
  setMempolicy(task: TaskStruct, mode: number, mask: UserNodemask): number {
    const word = parseModeWord(mode);
    if (typeof word === 'number') return word;
    const nodes = getNodes(mask);
    if (typeof nodes === 'number') return nodes;
    const allowed = this.cpusets.memsAllowed(task);
    const policy = this.mpolNodemask.create({ ...word, nodes, allowed });
    if (typeof policy === 'number') return policy;
    task.policy = policy;
    if (policy !== null && interleaves(policy)) {
      task.ilPrev = NODEMASK_BITS - 1;
      task.ilWeight = 0;
    }
    return 0;
  }
}
export const SysSetMempolicyToken = createToken<SysSetMempolicy>('SysSetMempolicy');
