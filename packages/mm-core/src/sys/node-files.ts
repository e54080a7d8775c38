import { N_CPU, N_MEMORY, N_MEMORY_PRIVATE, N_ONLINE, N_POSSIBLE } from '../abi/node-states.js';
import { inject, injectable } from '../base/di.js';
import { type Nodemask, nodeList, nodemask } from '../mem/nodemask.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { textFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const FOLDER = '/sys/devices/system/node';

/** Which nodes are in which state, and how far apart they are (drivers/base/node.c). */
@injectable()
export class NodeFiles implements PseudoFileSource {
  constructor(@inject(NodesToken) private readonly nodes: Nodes) {}

  addTo(files: PseudoFiles): void {
    const states = {
      possible: N_POSSIBLE,
      online: N_ONLINE,
      has_cpu: N_CPU,
      has_memory: N_MEMORY,
      has_memory_private: N_MEMORY_PRIVATE,
    };
    for (const [name, state] of Object.entries(states)) {
      files.add(
        `${FOLDER}/${name}`,
        textFile(() => nodeList(nodemask(this.nodes.inState(state)))),
      );
    }
    files.add(
      `${FOLDER}/has_normal_memory`,
      textFile(() => nodeList(this.withNormalMemory())),
    );
    for (const { nid } of this.nodes.all()) {
      files.add(
        `${FOLDER}/node${nid}/distance`,
        textFile(() => this.distances(nid)),
      );
    }
  }

  /** N_NORMAL_MEMORY: memory that the kernel itself may use. */
  private withNormalMemory(): Nodemask {
    const nids = this.nodes.inState(N_MEMORY);
    return nodemask(nids.filter((nid) => this.nodes.hasNormalMemory(nid)));
  }

  private distances(nid: number): string {
    const online = this.nodes.inState(N_ONLINE);
    return online.map((other) => this.nodes.distance(nid, other)).join(' ');
  }
}
