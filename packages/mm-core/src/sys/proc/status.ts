import { N_POSSIBLE } from '../../abi/node-states.js';
import { PAGE_SIZE } from '../../abi/zone.js';
import { createToken, inject, injectable } from '../../base/di.js';
import { type Nodemask, nodeList } from '../../mem/nodemask.js';
import { type Nodes, NodesToken } from '../../mem/nodes.js';
import type { TaskStruct } from '../../mem/task-struct.js';
import { dataVm, lockedVm, stackVm, totalVm } from '../../mem/vm-totals.js';
import { type Cpusets, CpusetsToken } from '../../mm/cpuset.js';

const KIB_PER_PAGE = PAGE_SIZE / 1024;

/** /proc/PID/status as far as mm goes (fs/proc/task_mmu.c:task_mem, cpuset_task_status_allowed). */
@injectable()
export class ProcStatus {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(CpusetsToken) private readonly cpusets: Cpusets,
  ) {}

  /** The text behind a field's name, or undefined if there is no such field here. */
  field(task: TaskStruct, name: string): string | undefined {
    if (name === 'VmLck') return kib(lockedVm(task.mm));
    if (name === 'VmSize') return kib(totalVm(task.mm));
    if (name === 'VmData') return kib(dataVm(task.mm));
    if (name === 'VmStk') return kib(stackVm(task.mm));
    if (name === 'VmRSS') return kib(task.mm.rss);
    if (name === 'VmSwap') return kib(task.mm.swapents);
    if (name === 'Mems_allowed_list') return nodeList(this.cpusets.memsAllowed(task));
    if (name === 'Mems_allowed') return this.bitmap(this.cpusets.memsAllowed(task));
    return undefined;
  }

  /** As many hexadecimal digits as the node ids need (%*pb). */
  private bitmap(mask: Nodemask): string {
    const ids = Math.max(0, ...this.nodes.inState(N_POSSIBLE)) + 1;
    let bits = 0n;
    for (const nid of mask) bits |= 1n << BigInt(nid);
    const digits = bits.toString(16).padStart(Math.ceil(ids / 4), '0');
    return digits.replace(/\B(?=(?:.{8})+$)/g, ',');
  }
}
export const ProcStatusToken = createToken<ProcStatus>('ProcStatus');

function kib(pages: number): string {
  return `${pages * KIB_PER_PAGE} kB`;
}
