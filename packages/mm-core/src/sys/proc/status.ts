import { N_MEMORY } from '../../abi/node-states.js';
import { PAGE_SIZE } from '../../abi/zone.js';
import { createToken, inject, injectable } from '../../base/di.js';
import { nodeList, nodemask } from '../../mem/nodemask.js';
import { type Nodes, NodesToken } from '../../mem/nodes.js';
import type { TaskStruct } from '../../mem/task-struct.js';
import { lockedVm } from '../../mem/vm-totals.js';

const KIB_PER_PAGE = PAGE_SIZE / 1024;

/** /proc/PID/status as far as mm goes (fs/proc/task_mmu.c:task_mem, cpuset_task_status_allowed). */
@injectable()
export class ProcStatus {
  constructor(@inject(NodesToken) private readonly nodes: Nodes) {}

  /** The text behind a field's name, or undefined if there is no such field here. */
  field(task: TaskStruct, name: string): string | undefined {
    if (name === 'VmLck') return kib(lockedVm(task.mm));
    if (name === 'VmRSS') return kib(task.mm.rss);
    if (name === 'VmSwap') return kib(task.mm.swapents);
    if (name !== 'Mems_allowed_list') return undefined;
    return nodeList(task.memsAllowed ?? nodemask(this.nodes.inState(N_MEMORY)));
  }
}
export const ProcStatusToken = createToken<ProcStatus>('ProcStatus');

function kib(pages: number): string {
  return `${pages * KIB_PER_PAGE} kB`;
}
