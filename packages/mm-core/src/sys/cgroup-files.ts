import { ESRCH } from '../abi/errno.js';
import { inject, injectable } from '../base/di.js';
import { CGROUP_CONTROLLERS, type Cgroup, type CgroupController } from '../mem/cgroup.js';
import { type CgroupTree, CgroupTreeToken } from '../mm/cgroup.js';
import { type Tasks, TasksToken } from '../mm/tasks.js';
import { type PseudoFile, parseNumber } from './pseudo-file.js';
import type { FileFinder, PseudoFileSource, PseudoFiles } from './pseudo-files.js';

/** Where the groups stand (cgroup2). */
export const CGROUP_FOLDER = '/sys/fs/cgroup';

/** Makes a file of a group, or null if this group has none of it. */
export type CgroupFileMaker = (group: Cgroup) => PseudoFile | null;

/**
 * The files that a controller gives each group that has it, to be added as a folder at
 * `CGROUP_FOLDER`. @param controller null for files that every group has
 */
export function cgroupFiles(
  tree: CgroupTree,
  controller: CgroupController | null,
  makers: Readonly<Record<string, CgroupFileMaker>>,
): FileFinder {
  return (path) => {
    const slash = path.lastIndexOf('/');
    const name = path.slice(slash + 1);
    const make = Object.hasOwn(makers, name) ? makers[name] : undefined;
    const group = make === undefined ? null : tree.find(path.slice(0, Math.max(0, slash)));
    if (make === undefined || group === null) return null;
    return controller === null || group.has(controller) ? make(group) : null;
  };
}

/** cgroup.procs and cgroup.subtree_control (kernel/cgroup/cgroup.c:cgroup_base_files). */
@injectable()
export class CgroupFiles implements PseudoFileSource {
  constructor(
    @inject(CgroupTreeToken) private readonly tree: CgroupTree,
    @inject(TasksToken) private readonly tasks: Tasks,
  ) {}

  addTo(files: PseudoFiles): void {
    const { tree } = this;
    files.addFolder(
      CGROUP_FOLDER,
      cgroupFiles(tree, null, {
        'cgroup.procs': (group) => ({
          read: () => [...group.tasks].map(({ pid }) => pid).join('\n'),
          write: (text) => this.writeProcs(group, text),
        }),
        'cgroup.subtree_control': (group) => ({
          read: () => controllersOf(group),
          write: (text) => tree.writeSubtreeControl(group, text),
        }),
        'cgroup.controllers': (group) => ({
          read: () => controllersOf(group.parent ?? group),
        }),
      }),
    );
  }

  private writeProcs(group: Cgroup, text: string): number {
    const task = this.tasks.find(parseNumber(text) ?? 0);
    return task === null ? -ESRCH : this.tree.attach(task, group);
  }
}

function controllersOf(group: Cgroup): string {
  return CGROUP_CONTROLLERS.filter((name) => group.subtreeControl.has(name)).join(' ');
}
