import { EBUSY, EEXIST, EINVAL, ENOENT } from '../abi/errno.js';
import { createToken } from '../base/di.js';
import {
  CGROUP_CONTROLLERS,
  Cgroup,
  type CgroupController,
  type CgroupTask,
} from '../mem/cgroup.js';

/** What a controller does when groups and tasks come and go (struct cgroup_subsys). */
export interface CgroupSubsystem {
  readonly name: CgroupController;
  /** The group has the controller now: made below a parent that gives it, or given it later. */
  online?(group: Cgroup): void;
  /** The group has it no more. */
  offline?(group: Cgroup): void;
  /** May the task come? 0 or -errno; asked of every controller before anything moves. */
  canAttach?(task: CgroupTask, to: Cgroup): number;
  /** The task came; `from` and `to` are the groups whose controller it had and has. */
  attach?(task: CgroupTask, from: Cgroup, to: Cgroup): void;
}

/**
 * The hierarchy of control groups, version 2 (kernel/cgroup/cgroup.c): groups by path, the
 * controllers that each gives its children, and who is in which. The root gives every controller
 * from the start. Simplified: tasks are whole processes, no threaded groups, no delegation.
 */
export class CgroupTree {
  readonly root = new Cgroup(1, '', null);
  /** Nodes that a group's cpuset allows, null = all; set by the cpuset controller. */
  memsOf: (group: Cgroup) => ReadonlySet<number> | null = () => null;
  private readonly subsystems: CgroupSubsystem[] = [];
  private idNext = 2;

  constructor() {
    for (const controller of CGROUP_CONTROLLERS) this.root.subtreeControl.add(controller);
  }

  /** Adds a controller; it sees the root at once. */
  register(subsystem: CgroupSubsystem): void {
    this.subsystems.push(subsystem);
    for (const group of this.root.descendants()) {
      if (group.has(subsystem.name)) subsystem.online?.(group);
    }
  }

  /** The group of a path, or null; '' is the root. */
  find(path: string): Cgroup | null {
    let at: Cgroup | undefined = this.root;
    for (const name of path.split('/').filter((part) => part !== '')) at = at?.children.get(name);
    return at ?? null;
  }

  /** mkdir. @returns 0; -EEXIST; -ENOENT without the parent (cgroup_mkdir) */
  mkdir(path: string): number {
    const parts = path.split('/').filter((part) => part !== '');
    const name = parts.pop();
    if (name === undefined) return -EEXIST;
    const parent = this.find(parts.join('/'));
    if (parent === null) return -ENOENT;
    if (parent.children.has(name)) return -EEXIST;
    const group = new Cgroup(this.idNext++, name, parent);
    parent.children.set(name, group);
    for (const subsystem of this.subsystems) {
      if (group.has(subsystem.name)) subsystem.online?.(group);
    }
    return 0;
  }

  /** rmdir. @returns 0; -ENOENT; -EBUSY with tasks or children (cgroup_rmdir) */
  rmdir(path: string): number {
    const group = this.find(path);
    if (group === null) return -ENOENT;
    const { parent } = group;
    if (parent === null || group.tasks.size > 0 || group.children.size > 0) return -EBUSY;
    for (const subsystem of this.subsystems) {
      if (group.has(subsystem.name)) subsystem.offline?.(group);
    }
    parent.children.delete(group.name);
    return 0;
  }

  /** The group of a task. */
  groupOf(task: CgroupTask): Cgroup {
    return task.cgroup ?? this.root;
  }

  /** A new task comes where its parent is: nothing is asked and nothing is told (cgroup_fork). */
  enter(task: CgroupTask, group: Cgroup): void {
    const isRoot = group === this.root;
    task.cgroup = isRoot ? null : group;
    if (!isRoot) group.tasks.add(task);
  }

  /** The task is gone (cgroup_exit). */
  leave(task: CgroupTask): void {
    task.cgroup?.tasks.delete(task);
  }

  /**
   * Writes cgroup.procs (cgroup_attach_task). Controllers whose group stays the same are not told.
   * @returns 0; -EBUSY where children have controllers (no internal processes); what one refuses
   */
  attach(task: CgroupTask, to: Cgroup): number {
    if (to.parent !== null && to.subtreeControl.size > 0) return -EBUSY;
    const from = this.groupOf(task);
    const moving = this.subsystems.filter(
      ({ name }) => from.effective(name) !== to.effective(name),
    );
    for (const subsystem of moving) {
      const rc = subsystem.canAttach?.(task, to.effective(subsystem.name)) ?? 0;
      if (rc < 0) return rc;
    }
    from.tasks.delete(task);
    this.enter(task, to);
    for (const subsystem of moving) {
      const { name } = subsystem;
      subsystem.attach?.(task, from.effective(name), to.effective(name));
    }
    return 0;
  }

  /**
   * Writes cgroup.subtree_control: words `+name` and `-name` (cgroup_subtree_control_write).
   * @returns 0; -EINVAL; -ENOENT for what the group itself has not; -EBUSY with tasks inside, or
   * when a child still gives it on
   */
  writeSubtreeControl(group: Cgroup, text: string): number {
    const { on, off, bad } = parseControl(text);
    if (bad) return -EINVAL;
    const fresh = on.filter((name) => !group.subtreeControl.has(name));
    const gone = off.filter((name) => group.subtreeControl.has(name));
    if (fresh.some((name) => !group.has(name))) return -ENOENT;
    const children = [...group.children.values()];
    if (gone.some((name) => children.some((child) => child.subtreeControl.has(name)))) {
      return -EBUSY;
    }
    if (fresh.length === 0 && gone.length === 0) return 0;
    if (group.parent !== null && group.tasks.size > 0 && fresh.length > 0) return -EBUSY;
    for (const name of fresh) this.give(group, name);
    for (const name of gone) this.take(group, name);
    return 0;
  }

  private give(group: Cgroup, name: CgroupController): void {
    group.subtreeControl.add(name);
    for (const subsystem of this.subsystems) {
      if (subsystem.name !== name) continue;
      for (const child of group.children.values()) subsystem.online?.(child);
    }
  }

  private take(group: Cgroup, name: CgroupController): void {
    for (const subsystem of this.subsystems) {
      if (subsystem.name !== name) continue;
      for (const child of group.children.values()) subsystem.offline?.(child);
    }
    group.subtreeControl.delete(name);
  }
}
export const CgroupTreeToken = createToken<CgroupTree>('CgroupTree');

interface Control {
  readonly on: readonly CgroupController[];
  readonly off: readonly CgroupController[];
  readonly bad: boolean;
}

/** A later word about a controller undoes an earlier one. */
function parseControl(text: string): Control {
  const wanted = new Map<CgroupController, boolean>();
  let bad = false;
  for (const word of text.trim().split(/\s+/)) {
    if (word === '') continue;
    const name = CGROUP_CONTROLLERS.find((known) => known === word.slice(1));
    if (name === undefined || !'+-'.includes(word.charAt(0))) bad = true;
    else wanted.set(name, word.startsWith('+'));
  }
  const named = (on: boolean): CgroupController[] =>
    CGROUP_CONTROLLERS.filter((name) => wanted.get(name) === on);
  return { on: named(true), off: named(false), bad };
}
