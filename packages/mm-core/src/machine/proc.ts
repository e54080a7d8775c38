import type { Services } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Memcontrol, MemcontrolToken } from '../mm/memcontrol.js';
import { ProcPagemap, ProcPagemapToken } from '../sys/proc/pagemap.js';
import { ProcSmaps, ProcSmapsToken } from '../sys/proc/smaps.js';
import { ProcStatus, ProcStatusToken } from '../sys/proc/status.js';

/** Binds the files of a process. */
export function bindProc(services: Services): void {
  services.bind(ProcSmapsToken, ProcSmaps);
  services.bind(ProcPagemapToken, ProcPagemap);
  services.bind(ProcStatusToken, ProcStatus);
}

/** What /proc/PID says of a process's memory, as `machine.proc`. Reading changes nothing. */
export class Proc {
  readonly smaps: ProcSmaps;
  readonly pagemap: ProcPagemap;
  readonly status: ProcStatus;

  private readonly memcontrol: Memcontrol;

  constructor(services: Services) {
    this.memcontrol = services.get(MemcontrolToken);
    this.smaps = services.get(ProcSmapsToken);
    this.pagemap = services.get(ProcPagemapToken);
    this.status = services.get(ProcStatusToken);
  }

  /** A task opens one of these files: the kernel's objects for it are charged to its group. */
  open(task: TaskStruct): void {
    this.memcontrol.chargeObjects(task.mm);
  }
}
