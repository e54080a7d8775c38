import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { NumaState } from '../mem/numa-state.js';
import { TaskStruct } from '../mem/task-struct.js';
import type { MmStruct } from '../mem/vma.js';
import { Sysctl } from './sysctl.js';

const NS_PER_MS = 1_000_000;

/** Every task of the machine, oldest first (the task list). */
@injectable()
export class Tasks {
  private readonly byPid = new Map<number, TaskStruct>();
  private pidNext = 1;

  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** A task on a CPU; it becomes the owner of its address space (mm->owner). */
  create(name: string, mm: MmStruct, cpu: number): TaskStruct {
    const task = new TaskStruct(this.pidNext++, name, mm, cpu, this.nodes.nidOfCpu(cpu));
    this.byPid.set(task.pid, task);
    const delayMs = this.sysctl.numa_balancing_scan_delay_ms;
    task.numa = new NumaState(delayMs, this.clock.now + delayMs * NS_PER_MS);
    mm.ownerTask = task;
    return task;
  }

  /** find_task_by_vpid: null if there is no such task. */
  find(pid: number): TaskStruct | null {
    return this.byPid.get(pid) ?? null;
  }

  /** The task is gone (release_task). */
  delete(task: TaskStruct): void {
    task.alive = false;
    this.byPid.delete(task.pid);
  }

  all(): Iterable<TaskStruct> {
    return this.byPid.values();
  }
}
export const TasksToken = createToken<Tasks>('Tasks');
