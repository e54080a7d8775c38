import { EINVAL } from '../abi/errno.js';
import { N_MEMORY } from '../abi/node-states.js';
import { inject, injectable } from '../base/di.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { TaskStruct } from '../mem/task-struct.js';
import { type Hugetlb, HugetlbToken } from '../mm/hugetlb.js';
import { numberFile, type PseudoFile, parseNumber, textFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const SIZE = 'hugepages-2048kB';
const GLOBAL = `/sys/kernel/mm/hugepages/${SIZE}`;

/** Size and use of the pool of huge pages (mm/hugetlb_sysfs.c, hugetlb_sysctl.c). */
@injectable()
export class HugetlbFiles implements PseudoFileSource {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(HugetlbToken) private readonly hugetlb: Hugetlb,
  ) {}

  addTo(files: PseudoFiles): void {
    const { hugetlb } = this;
    const everywhere = (): readonly number[] => this.nodes.inState(N_MEMORY);
    const byPolicy = (task: TaskStruct | null): readonly number[] => this.policyNodes(task);
    const overcommit = numberFile({
      get: () => hugetlb.overcommit,
      set: (value) => {
        hugetlb.overcommit = value;
      },
    });
    files.add(
      '/proc/sys/vm/nr_hugepages',
      this.sizeFile(() => hugetlb.max, everywhere),
    );
    files.add(
      '/proc/sys/vm/nr_hugepages_mempolicy',
      this.sizeFile(() => hugetlb.max, byPolicy),
    );
    files.add('/proc/sys/vm/nr_overcommit_hugepages', overcommit);
    const total = (): number => hugetlb.total();
    files.add(`${GLOBAL}/nr_hugepages`, this.sizeFile(total, everywhere));
    files.add(`${GLOBAL}/nr_hugepages_mempolicy`, this.sizeFile(total, byPolicy));
    files.add(`${GLOBAL}/nr_overcommit_hugepages`, overcommit);
    files.add(
      `${GLOBAL}/free_hugepages`,
      textFile(() => String(hugetlb.free())),
    );
    files.add(
      `${GLOBAL}/resv_hugepages`,
      textFile(() => String(hugetlb.reserved)),
    );
    files.add(
      `${GLOBAL}/surplus_hugepages`,
      textFile(() => String(hugetlb.surplus())),
    );
    for (const { nid } of this.nodes.all()) this.addNode(files, nid);
  }

  private addNode(files: PseudoFiles, nid: number): void {
    const { hugetlb } = this;
    const folder = `/sys/devices/system/node/node${nid}/hugepages/${SIZE}`;
    files.add(`${folder}/nr_hugepages`, {
      read: () => String(hugetlb.total(nid)),
      write: (text) => {
        const count = parseNumber(text);
        if (count === null || count < 0) return -EINVAL;
        hugetlb.setMax(count + hugetlb.persistent() - hugetlb.persistent(nid), [nid]);
        return 0;
      },
    });
    files.add(
      `${folder}/free_hugepages`,
      textFile(() => String(hugetlb.free(nid))),
    );
    files.add(
      `${folder}/surplus_hugepages`,
      textFile(() => String(hugetlb.surplus(nid))),
    );
  }

  /** The size of the whole pool; the write succeeds even if less memory was to be had. */
  private sizeFile(
    get: () => number,
    nids: (task: TaskStruct | null) => readonly number[],
  ): PseudoFile {
    return {
      read: () => String(get()),
      write: (text, task) => {
        const count = parseNumber(text);
        if (count === null || count < 0) return -EINVAL;
        this.hugetlb.setMax(count, nids(task));
        return 0;
      },
    };
  }

  /** Nodes of the writer's policy; every node without one (init_nodemask_of_mempolicy). */
  private policyNodes(task: TaskStruct | null): readonly number[] {
    const nodes = this.nodes.inState(N_MEMORY);
    const policy = task?.policy ?? null;
    if (policy === null) return nodes;
    return policy.nodes.size === 0
      ? [task?.nid ?? 0]
      : nodes.filter((nid) => policy.nodes.has(nid));
  }
}
