import { inject, injectable } from '../base/di.js';
import type { Cgroup } from '../mem/cgroup.js';
import { nodeList } from '../mem/nodemask.js';
import { type CgroupTree, CgroupTreeToken } from '../mm/cgroup.js';
import { type Cpusets, CpusetsToken } from '../mm/cpuset.js';
import { CGROUP_FOLDER, cgroupFiles } from './cgroup-files.js';
import type { PseudoFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

/** cpuset.mems and cpuset.mems.effective (kernel/cgroup/cpuset.c:dfl_files). */
@injectable()
export class CpusetFiles implements PseudoFileSource {
  constructor(
    @inject(CgroupTreeToken) private readonly tree: CgroupTree,
    @inject(CpusetsToken) private readonly cpusets: Cpusets,
  ) {}

  addTo(files: PseudoFiles): void {
    const makers = {
      'cpuset.mems': (group: Cgroup) => this.mems(group),
      'cpuset.mems.effective': (group: Cgroup) => ({
        read: () => nodeList(this.cpusets.effectiveMems(group)),
      }),
    };
    files.addFolder(CGROUP_FOLDER, cgroupFiles(this.tree, 'cpuset', makers));
  }

  /** The root has no such file. */
  private mems(group: Cgroup): PseudoFile | null {
    if (group.parent === null) return null;
    return {
      read: () => nodeList(this.cpusets.configuredMems(group)),
      write: (text) => this.cpusets.writeMems(group, text),
    };
  }
}
