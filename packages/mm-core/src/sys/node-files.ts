import { N_CPU, N_MEMORY, N_MEMORY_PRIVATE, N_ONLINE, N_POSSIBLE } from '../abi/node-states.js';
import { ZONE_NORMAL } from '../abi/zone.js';
import { inject, injectable } from '../base/di.js';
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
        textFile(() => nodeList(this.nodes.inState(state))),
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
  private withNormalMemory(): number[] {
    return this.nodes.inState(N_MEMORY).filter((nid) => {
      const { zones } = this.nodes.pgdat(nid);
      return zones.some((zone) => zone.type <= ZONE_NORMAL && zone.managedPages > 0);
    });
  }

  private distances(nid: number): string {
    const online = this.nodes.inState(N_ONLINE);
    return online.map((other) => this.nodes.distance(nid, other)).join(' ');
  }
}

/** Numbers as the kernel lists them: `0-2,4` (bitmap_print_to_pagebuf). */
export function nodeList(nids: readonly number[]): string {
  const ranges: [first: number, last: number][] = [];
  for (const nid of nids) {
    const range = ranges[ranges.length - 1];
    if (range !== undefined && range[1] === nid - 1) range[1] = nid;
    else ranges.push([nid, nid]);
  }
  return ranges.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join();
}
