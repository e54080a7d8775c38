import { EINVAL } from '../abi/errno.js';
import { MPOL_MF_MOVE_ALL } from '../abi/mempolicy.js';
import { N_MEMORY, N_MEMORY_PRIVATE, N_POSSIBLE } from '../abi/node-states.js';
import { defined } from '../base/assert.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import type { Cgroup, CgroupTask } from '../mem/cgroup.js';
import {
  NO_NODES,
  type Nodemask,
  nodemask,
  nodesAnd,
  nodesEqual,
  nodesIntersect,
  nodesSubset,
  parseNodeList,
} from '../mem/nodemask.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { TaskStruct } from '../mem/task-struct.js';
import type { MmStruct } from '../mem/vma.js';
import { type CgroupSubsystem, type CgroupTree, CgroupTreeToken } from './cgroup.js';
import { type MigrateNodes, MigrateNodesToken } from './migrate-nodes.js';
import { type MpolNodemask, MpolNodemaskToken } from './mpol-nodemask.js';
import { type Tasks, TasksToken } from './tasks.js';
import { type Work, WorkToken } from './work.js';

/** The memory side of one group (struct cpuset). */
interface Cpuset {
  /** What was written to cpuset.mems. */
  mems: Nodemask;
  /** Of those the parent's, or all of the parent's if there are none (effective_mems). */
  effective: Nodemask;
  /** Where the group's tasks have their memory (old_mems_allowed). */
  old: Nodemask;
}

/**
 * Which nodes a group's tasks may use (kernel/cgroup/cpuset.c, version 2). Every change of
 * effective nodes rebinds the policies of the tasks and their areas and moves their memory.
 * Simplified: no CPUs, and what a workqueue does is done before the write returns.
 */
@injectable()
export class Cpusets implements CgroupSubsystem {
  readonly name = 'cpuset';
  private readonly memsSite = Sites.index('cpuset.guarantee_online_mems');
  private readonly hotplugSite = Sites.index('cpuset.cpuset_handle_hotplug');
  private readonly migrateSite = Sites.index('cpuset.cpuset_migrate_mm');
  private readonly byGroup = new Map<Cgroup, Cpuset>();

  constructor(
    @inject(CgroupTreeToken) private readonly tree: CgroupTree,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(TasksToken) private readonly tasks: Tasks,
    @inject(MigrateNodesToken) private readonly migrateNodes: MigrateNodes,
    @inject(WorkToken) private readonly work: Work,
    @inject(MpolNodemaskToken) private readonly mpolNodemask: MpolNodemask,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {
    tree.register(this);
    tree.memsOf = (group) => this.effectiveMems(group);
  }

  /** Nodes with memory that a task may use (cpuset_mems_allowed, cpuset_current_mems_allowed). */
  memsAllowed(task: TaskStruct): Nodemask {
    return task.memsAllowed ?? this.memory();
  }

  online(group: Cgroup): void {
    const { parent } = group;
    if (parent === null) {
      const possible = nodemask(this.nodes.inState(N_POSSIBLE));
      this.byGroup.set(group, { mems: possible, effective: NO_NODES, old: possible });
    } else {
      const { effective } = this.of(parent.effective(this.name));
      this.byGroup.set(group, { mems: NO_NODES, effective, old: NO_NODES });
    }
  }

  /** The tasks are the next group's above from now on. */
  offline(group: Cgroup): void {
    const { parent } = group;
    if (parent === null) return;
    const members = this.members(group);
    for (const task of members) this.attach(task, group, parent.effective(this.name));
    this.byGroup.delete(group);
  }

  /**
   * The task's nodes become the group's (cpuset_attach): nothing moves if they are the same.
   * Simplified: a task of the root is confined even then; Linux leaves it every node that comes.
   */
  attach(moved: CgroupTask, from: Cgroup, to: Cgroup): void {
    const task = this.tasks.find(moved.pid);
    const source = this.of(from);
    const target = this.of(to);
    const isSame = nodesEqual(source.effective, target.effective);
    if (task !== null && isSame) task.memsAllowed = this.allowedIn(to);
    if (task !== null && !isSame) {
      this.changeTask(task, to);
      this.rebindMm(task.mm, target.effective);
      this.migrateMm(task.mm, source.old, target.effective);
    }
    target.old = target.effective;
  }

  /** Writes cpuset.mems (cpuset_write_resmask). @returns 0, -EINVAL, -ERANGE or -EOVERFLOW */
  writeMems(group: Cgroup, text: string): number {
    const mems = parseNodeList(text);
    if (typeof mems === 'number') return mems;
    if (!nodesSubset(mems, this.of(this.tree.root).mems)) return -EINVAL;
    const cpuset = this.of(group);
    if (nodesEqual(cpuset.mems, mems)) return 0;
    cpuset.mems = mems;
    this.updateHierarchy(group);
    return 0;
  }

  /** What was written to cpuset.mems of a group that has it. */
  configuredMems(group: Cgroup): Nodemask {
    return this.of(group).mems;
  }

  /**
   * Nodes of a group (cpuset.mems.effective). One that was removed, but still has pages, goes by
   * those above it (cpuset_node_allowed, cgroup_get_e_css).
   */
  effectiveMems(group: Cgroup): Nodemask {
    for (const above of group.ancestors(this.name)) {
      const cpuset = this.byGroup.get(above);
      if (cpuset !== undefined) return cpuset.effective;
    }
    return this.of(this.tree.root).effective;
  }

  /** Nodes got or lost their memory (cpuset_handle_hotplug). */
  handleHotplug(): void {
    const { root } = this.tree;
    const cpuset = this.of(root);
    const memory = this.memory();
    for (const nid of memory) this.managed.node_is_private(this.hotplugSite, nid);
    if (nodesEqual(cpuset.effective, memory)) return;
    const booting = cpuset.effective.size === 0 || this.members(root).length === 0;
    cpuset.effective = memory;
    if (!booting) this.updateTasks(root);
    for (const child of root.children.values()) this.updateHierarchy(child);
  }

  /** update_nodemasks_hier: a group whose nodes stay the same ends the walk down. */
  private updateHierarchy(top: Cgroup): void {
    const left = [top];
    for (let group = left.pop(); group !== undefined; group = left.pop()) {
      const { parent } = group;
      const cpuset = this.byGroup.get(group);
      if (cpuset === undefined || parent === null) continue;
      const above = this.of(parent.effective(this.name)).effective;
      const both = nodesAnd(cpuset.mems, above);
      const effective = both.size === 0 ? above : both;
      if (nodesEqual(effective, cpuset.effective)) continue;
      cpuset.effective = effective;
      this.updateTasks(group);
      left.push(...[...group.children.values()].reverse());
    }
  }

  /** cpuset_update_tasks_nodemask. */
  private updateTasks(group: Cgroup): void {
    const cpuset = this.of(group);
    const mems = this.onlineMems(group);
    for (const task of this.members(group)) {
      this.changeTask(task, group);
      this.rebindMm(task.mm, cpuset.effective);
      this.migrateMm(task.mm, cpuset.old, mems);
    }
    cpuset.old = mems;
  }

  /** cpuset_change_task_nodemask. */
  private changeTask(task: TaskStruct, group: Cgroup): void {
    const mems = this.onlineMems(group);
    if (task.policy !== null) task.policy = this.mpolNodemask.rebind(task.policy, mems);
    task.memsAllowed = this.allowedIn(group);
  }

  /** Of the root every node, those to come as well. */
  private allowedIn(group: Cgroup): Nodemask | null {
    return group === this.tree.root ? null : this.onlineMems(group);
  }

  /** A kernel thread moves the memory, so that no cpuset confines it (cpuset_migrate_mm). */
  private migrateMm(mm: MmStruct, from: Nodemask, to: Nodemask): void {
    if (nodesEqual(from, to)) return;
    const targets = this.managed.cpuset_targets(this.migrateSite, to);
    if (targets.size === 0) return;
    const { current } = this.work;
    this.work.current = null;
    this.migrateNodes.migrate(mm, { from, to: targets, flags: MPOL_MF_MOVE_ALL });
    this.work.current = current;
  }

  /**
   * Ordinary nodes of the nearest group, upwards, that has some, and the group's own private nodes:
   * those are never taken from above (guarantee_online_mems, RFC v4 patch 02).
   */
  private onlineMems(group: Cgroup): Nodemask {
    const own = this.of(group.effective(this.name)).effective;
    const asks = (nid: number): boolean => this.managed.node_is_private(this.memsSite, nid);
    const granted = [...own].filter((nid) => asks(nid) && this.memory().has(nid));
    return nodemask([...this.ordinaryMems(group), ...granted]);
  }

  private ordinaryMems(group: Cgroup): Nodemask {
    const ordinary = nodemask(this.nodes.inState(N_MEMORY));
    for (const above of group.ancestors(this.name)) {
      const { effective } = this.of(above);
      if (nodesIntersect(effective, ordinary)) return nodesAnd(effective, ordinary);
    }
    return ordinary;
  }

  private members(group: Cgroup): TaskStruct[] {
    return [...this.tasks.all()].filter((task) => {
      return this.tree.groupOf(task).effective(this.name) === group;
    });
  }

  /** mpol_rebind_mm. */
  private rebindMm(mm: MmStruct, mems: Nodemask): void {
    mm.vmas = mm.vmas.map((vma) => {
      if (vma.policy === null) return vma;
      return { ...vma, policy: this.mpolNodemask.rebind(vma.policy, mems) };
    });
  }

  /** Nodes that a cpuset can allow: those with memory, private ones too (RFC v4 patch 02). */
  private memory(): Nodemask {
    const apart = this.managed.isolation.inCpusets ? this.nodes.inState(N_MEMORY_PRIVATE) : [];
    return nodemask([...this.nodes.inState(N_MEMORY), ...apart]);
  }

  private of(group: Cgroup): Cpuset {
    return defined(this.byGroup.get(group), 'the group has a cpuset');
  }
}
export const CpusetsToken = createToken<Cpusets>('Cpusets');
