import { EINVAL, EPERM } from '../abi/errno.js';
import { MPOL_DEFAULT, MPOL_MF_MOVE_ALL, MPOL_MF_STRICT, MPOL_MF_VALID } from '../abi/mempolicy.js';
import { createToken, inject, injectable } from '../base/di.js';
import { parseModeWord } from '../mem/policy.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Cpusets, CpusetsToken } from '../mm/cpuset.js';
import { type Mbind, MbindToken } from '../mm/mbind.js';
import { type MpolNodemask, MpolNodemaskToken } from '../mm/mpol-nodemask.js';
import { getNodes, type UserNodemask } from './user-nodemask.js';
import { ADDRESS_SPACE, isPageAligned, pageAlign, vpnOf } from './user-range.js';

/** Arguments of mbind(2). */
export interface MbindArgs {
  /** First byte. */
  readonly start: number;
  /** Bytes, rounded up to pages. */
  readonly len: number;
  /** MPOL_* with its flags. */
  readonly mode: number;
  readonly mask: UserNodemask;
  /** MPOL_MF_*. */
  readonly flags: number;
}

/** mbind(2) (mm/mempolicy.c:kernel_mbind, do_mbind). */
@injectable()
export class SysMbind {
  constructor(
    @inject(MpolNodemaskToken) private readonly mpolNodemask: MpolNodemask,
    @inject(CpusetsToken) private readonly cpusets: Cpusets,
    @inject(MbindToken) private readonly mm: Mbind,
  ) {}

  mbind(task: TaskStruct, { start, len, mode, mask, flags }: MbindArgs): number {
    const word = parseModeWord(mode);
    if (typeof word === 'number') return word;
    const nodes = getNodes(mask);
    if (typeof nodes === 'number') return nodes;
    if ((flags & ~MPOL_MF_VALID) !== 0) return -EINVAL;
    if ((flags & MPOL_MF_MOVE_ALL) !== 0 && !task.creds.capSysNice) return -EPERM;
    if (!isPageAligned(start)) return -EINVAL;
    const size = pageAlign(len);
    if (start + size >= ADDRESS_SPACE) return -EINVAL;
    if (size === 0) return 0;
    const allowed = this.cpusets.memsAllowed(task);
    const policy = this.mpolNodemask.create({ ...word, nodes, allowed });
    if (typeof policy === 'number') return policy;
    return this.mm.mbind(task.mm, {
      start: vpnOf(start),
      end: vpnOf(start + size),
      policy,
      nodes,
      flags: word.mode === MPOL_DEFAULT ? flags & ~MPOL_MF_STRICT : flags,
    });
  }
}
export const SysMbindToken = createToken<SysMbind>('SysMbind');
