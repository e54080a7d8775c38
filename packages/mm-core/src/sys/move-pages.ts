import { EFAULT, EINVAL, EPERM } from '../abi/errno.js';
import { MPOL_MF_MOVE, MPOL_MF_MOVE_ALL } from '../abi/mempolicy.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { TaskStruct } from '../mem/task-struct.js';
import type { MmStruct } from '../mem/vma.js';
import { type Cpusets, CpusetsToken } from '../mm/cpuset.js';
import {
  type MoveArrays,
  type MovePages,
  MovePagesToken,
  type MoveResult,
} from '../mm/move-pages.js';
import { type Tasks, TasksToken } from '../mm/tasks.js';
import { targetTask } from './target-task.js';
import { vpnOf } from './user-range.js';

/** Arguments of move_pages(2). An array ends where it cannot be read; 'bad' is all of it. */
export interface MovePagesArgs {
  /** 0 = the caller. */
  readonly pid: number;
  /** Entries; -1 is the largest unsigned long. */
  readonly count: number;
  /** An address in each page. */
  readonly pages: readonly number[] | 'bad';
  /** A node for each page; null = only ask where they are. */
  readonly nodes: readonly number[] | null | 'bad';
  readonly status: 'good' | 'bad';
  /** MPOL_MF_MOVE, MPOL_MF_MOVE_ALL. */
  readonly flags: number;
}

/** Entries that a query copies at a time (mm/migrate.c:DO_PAGES_STAT_CHUNK_NR). */
const STAT_CHUNK = 16;

/** move_pages(2) (mm/migrate.c:kernel_move_pages). */
@injectable()
export class SysMovePages {
  constructor(
    @inject(TasksToken) private readonly tasks: Tasks,
    @inject(CpusetsToken) private readonly cpusets: Cpusets,
    @inject(MovePagesToken) private readonly mm: MovePages,
  ) {}

  movePages(caller: TaskStruct, args: MovePagesArgs): MoveResult {
    const { flags, pid } = args;
    const count = args.count < 0 ? Infinity : args.count;
    const status: (number | null)[] = [];
    if ((flags & ~(MPOL_MF_MOVE | MPOL_MF_MOVE_ALL)) !== 0) return { rc: -EINVAL, status };
    const all = (flags & MPOL_MF_MOVE_ALL) !== 0;
    if (all && !caller.creds.capSysNice) return { rc: -EPERM, status };
    const task = targetTask(this.tasks, caller, pid);
    if (typeof task === 'number') return { rc: task, status };
    const bounded = { ...args, count };
    if (args.nodes === null) return { rc: this.query(task.mm, bounded, status), status };
    const allowed = this.cpusets.memsAllowed(task);
    const shared = all ? 'move' : 'stay';
    const arrays = moveArrays(bounded, status);
    return { rc: this.mm.moveEach(task.mm, arrays, { allowed, shared }), status };
  }

  /** do_pages_stat. */
  private query(mm: MmStruct, args: MovePagesArgs, status: (number | null)[]): number {
    for (let done = 0; done < args.count; done += STAT_CHUNK) {
      const end = Math.min(done + STAT_CHUNK, args.count);
      if (args.pages === 'bad' || args.pages.length < end || args.status === 'bad') return -EFAULT;
      status.push(...this.mm.stat(mm, args.pages.slice(done, end).map(vpnOf)));
    }
    return 0;
  }
}
export const SysMovePagesToken = createToken<SysMovePages>('SysMovePages');

function moveArrays(args: MovePagesArgs, status: (number | null)[]): MoveArrays {
  const { count, pages, nodes } = args;
  return {
    count,
    vpnAt: (at) => (pages === 'bad' || at >= pages.length ? undefined : vpnOf(pages[at] ?? 0)),
    nidAt: (at) => (nodes === 'bad' || nodes === null ? undefined : nodes[at]),
    store: (start, end, value) => {
      if (args.status === 'bad') return -EFAULT;
      for (let at = start; at < end; at++) status[at] = value;
      return 0;
    },
  };
}
