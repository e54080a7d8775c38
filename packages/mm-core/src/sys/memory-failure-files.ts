import { EINVAL, EOPNOTSUPP } from '../abi/errno.js';
import { MF_RESULTS, MF_SW_SIMULATED } from '../abi/memory-failure.js';
import { inject, injectable } from '../base/di.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type MemoryFailure, MemoryFailureToken } from '../mm/memory-failure.js';
import { Sysctl } from '../mm/sysctl.js';
import { actionFile, numberFile, parseNumber } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

/** What became of poisoned pages by node, and what may be done (mm/memory-failure.c). */
@injectable()
export class MemoryFailureFiles implements PseudoFileSource {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(MemoryFailureToken) private readonly memoryFailure: MemoryFailure,
    @inject(Sysctl) private readonly sysctl: Sysctl,
  ) {}

  /** Poisons a frame (mm/hwpoison-inject.c:hwpoison_inject, without its filter). */
  private corrupt(text: string): number {
    const pfn = parseNumber(text);
    if (pfn === null) return -EINVAL;
    const rc = this.memoryFailure.memoryFailure(pfn, MF_SW_SIMULATED);
    return rc === -EOPNOTSUPP ? 0 : rc;
  }

  addTo(files: PseudoFiles): void {
    const { memoryFailure, sysctl } = this;
    for (const { nid } of this.nodes.all()) {
      const folder = `/sys/devices/system/node/node${nid}/memory_failure`;
      files.add(`${folder}/total`, numberFile({ get: () => memoryFailure.totalOf(nid) }));
      for (const result of MF_RESULTS) {
        const get = (): number => memoryFailure.statsOf(nid)[result];
        files.add(`${folder}/${result}`, numberFile({ get }));
      }
    }
    files.add(
      '/sys/kernel/debug/hwpoison/corrupt-pfn',
      actionFile((text) => this.corrupt(text)),
    );
    for (const name of ['enable_soft_offline', 'memory_failure_early_kill'] as const) {
      const file = {
        get: () => (sysctl[name] ? 1 : 0),
        set: (value: number) => {
          sysctl[name] = value === 1;
          return 0;
        },
        max: 1,
      };
      files.add(`/proc/sys/vm/${name}`, numberFile(file));
    }
  }
}
