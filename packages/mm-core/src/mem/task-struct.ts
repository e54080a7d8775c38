import { NODEMASK_BITS } from '../abi/mempolicy.js';
import type { SignalInfo } from '../abi/siginfo.js';
import type { Cgroup } from './cgroup.js';
import type { Nodemask } from './nodemask.js';
import { NumaState } from './numa-state.js';
import type { Policy } from './policy.js';
import type { MmStruct } from './vma.js';

/** Largest value of a limit: none (RLIM_INFINITY). */
export const RLIM_INFINITY = Infinity;

/** Who a task is, as far as mm asks (struct cred). */
export interface Creds {
  /** Effective user id; 0 has every capability here. */
  uid: number;
  /** Capabilities left; the superuser's are all true. */
  capSysNice: boolean;
  capIpcLock: boolean;
  capSysAdmin: boolean;
  capSysPtrace: boolean;
}

/** Resource limits that mm looks at, in bytes. */
export interface Rlimits {
  memlock: number;
  as: number;
  data: number;
  stack: number;
}

/** Creds of a task with every capability. */
export function rootCreds(): Creds {
  return { uid: 0, capSysNice: true, capIpcLock: true, capSysAdmin: true, capSysPtrace: true };
}

/** Creds of a task without any. */
export function plainCreds(uid: number): Creds {
  return { uid, capSysNice: false, capIpcLock: false, capSysAdmin: false, capSysPtrace: false };
}

/** One task (struct task_struct) as mm sees it: every field is mm's business only. */
export class TaskStruct {
  /** Memory policy of the task (`task->mempolicy`); null = default. Owned by mempolicy. */
  policy: Policy | null = null;
  /** Node that its interleaving policy used last for a page without an address (il_prev). */
  ilPrev = NODEMASK_BITS - 1;
  /** Pages that `ilPrev` still gets under weighted interleave (il_weight). */
  ilWeight = 0;
  /** Nodes its cpuset allows (mems_allowed); null = every node with memory. Owned by cpuset. */
  memsAllowed: Nodemask | null = null;
  /** Its control group, or null for the root; changed by `CgroupTree` alone. */
  cgroup: Cgroup | null = null;
  creds: Creds = rootCreds();
  readonly rlimits: Rlimits = {
    memlock: RLIM_INFINITY,
    as: RLIM_INFINITY,
    data: RLIM_INFINITY,
    stack: 8 << 20,
  };
  /** Pages it has beside its areas here: its program, stack and libraries; for the OOM killer. */
  rssElsewhere = 0;
  /** oom_score_adj, -1000..1000. */
  oomScoreAdj = 0;
  /** Faults without and with input, as getrusage says. */
  minFlt = 0;
  majFlt = 0;
  alive = true;
  /** What NUMA balancing keeps of it; `Tasks` gives it its first times. */
  numa = new NumaState(0, 0);
  /**
   * What poison does to the program: its handler puts a fresh page there and goes on, or the signal
   * is all it gets and the entry stays.
   */
  onPoison: 'replace' | 'signal' = 'replace';
  /** The last signal that a fault of its ended in. */
  lastSignal: SignalInfo | null = null;

  constructor(
    readonly pid: number,
    readonly name: string,
    /** Its address space. */
    readonly mm: MmStruct,
    /** CPU it runs on. */
    public cpu: number,
    /** Node of that CPU. */
    public nid: number,
  ) {}

  /** The last signal, which is then forgotten. */
  takeSignal(): SignalInfo | null {
    const info = this.lastSignal;
    this.lastSignal = null;
    return info;
  }

  /** What fork copies from the parent (kernel/fork.c:copy_process). */
  inherit(parent: TaskStruct): void {
    this.policy = parent.policy;
    this.ilPrev = parent.ilPrev;
    this.ilWeight = parent.ilWeight;
    this.memsAllowed = parent.memsAllowed;
    this.cgroup = parent.cgroup;
    this.creds = { ...parent.creds };
    Object.assign(this.rlimits, parent.rlimits);
    this.oomScoreAdj = parent.oomScoreAdj;
    this.onPoison = parent.onPoison;
    this.cpu = parent.cpu;
    this.nid = parent.nid;
  }
}
