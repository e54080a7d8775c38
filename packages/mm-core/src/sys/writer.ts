import { createToken, inject, injectable } from '../base/di.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Work, WorkToken } from '../mm/work.js';

/** Runs what a write to a file sets off as its writer: a task, or the superuser on CPU 0. */
@injectable()
export class Writer {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  run(task: TaskStruct | null, write: () => number): number {
    const { current, cpuNid } = this.work;
    this.work.current = task;
    this.work.cpuNid = task === null ? this.nodes.nidOfCpu(0) : task.nid;
    try {
      return write();
    } finally {
      this.work.current = current;
      this.work.cpuNid = cpuNid;
    }
  }
}
export const WriterToken = createToken<Writer>('Writer');
