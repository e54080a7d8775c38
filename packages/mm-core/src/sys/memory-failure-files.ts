import { MF_RESULTS } from '../abi/memory-failure.js';
import { inject, injectable } from '../base/di.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type MemoryFailure, MemoryFailureToken } from '../mm/memory-failure.js';
import { Sysctl } from '../mm/sysctl.js';
import { numberFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

/** What became of poisoned pages by node, and what may be done (mm/memory-failure.c). */
@injectable()
export class MemoryFailureFiles implements PseudoFileSource {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(MemoryFailureToken) private readonly memoryFailure: MemoryFailure,
    @inject(Sysctl) private readonly sysctl: Sysctl,
  ) {}

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
      '/proc/sys/vm/enable_soft_offline',
      numberFile({
        get: () => (sysctl.enable_soft_offline ? 1 : 0),
        set: (value) => {
          sysctl.enable_soft_offline = value === 1;
          return 0;
        },
        max: 1,
      }),
    );
  }
}
