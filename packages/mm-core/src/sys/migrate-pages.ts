import { EINVAL, EPERM } from '../abi/errno.js';
import { MPOL_MF_MOVE, MPOL_MF_MOVE_ALL } from '../abi/mempolicy.js';
import { createToken, inject, injectable } from '../base/di.js';
import { nodesAnd, nodesSubset } from '../mem/nodemask.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Cpusets, CpusetsToken } from '../mm/cpuset.js';
import { type MigrateNodes, MigrateNodesToken } from '../mm/migrate-nodes.js';
import { type Tasks, TasksToken } from '../mm/tasks.js';
import { targetTask } from './target-task.js';
import { getNodes, type UserNodemask } from './user-nodemask.js';

/** Arguments of migrate_pages(2); both masks have the same `maxnode`. */
export interface MigratePagesArgs {
  /** 0 = the caller. */
  readonly pid: number;
  readonly from: UserNodemask;
  readonly to: UserNodemask;
}

/** migrate_pages(2) (mm/mempolicy.c:kernel_migrate_pages). */
@injectable()
export class SysMigratePages {
  constructor(
    @inject(TasksToken) private readonly tasks: Tasks,
    @inject(CpusetsToken) private readonly cpusets: Cpusets,
    @inject(MigrateNodesToken) private readonly migrateNodes: MigrateNodes,
  ) {}

  /** @returns folios that did not move, or -errno */
  migratePages(caller: TaskStruct, args: MigratePagesArgs): number {
    const from = getNodes(args.from);
    if (typeof from === 'number') return from;
    const wanted = getNodes(args.to);
    if (typeof wanted === 'number') return wanted;
    const task = targetTask(this.tasks, caller, args.pid);
    if (typeof task === 'number') return task;
    const { capSysNice } = caller.creds;
    if (!capSysNice && !nodesSubset(wanted, this.cpusets.memsAllowed(task))) return -EPERM;
    const to = nodesAnd(wanted, this.cpusets.memsAllowed(caller));
    if (to.size === 0) return -EINVAL;
    const flags = capSysNice ? MPOL_MF_MOVE_ALL : MPOL_MF_MOVE;
    return this.migrateNodes.migrate(task.mm, { from, to, flags });
  }
}
export const SysMigratePagesToken = createToken<SysMigratePages>('SysMigratePages');
