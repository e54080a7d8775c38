import { N_MEMORY } from '../abi/node-states.js';
import { inject, injectable } from '../base/di.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type InterleaveWeights, InterleaveWeightsToken } from '../mm/interleave-weights.js';
import type { PseudoFile } from './pseudo-file.js';
import type { PseudoFileSource, PseudoFiles } from './pseudo-files.js';

const FOLDER = '/sys/kernel/mm/mempolicy/weighted_interleave';

/** auto, and nodeN for each node with memory (mm/mempolicy.c:sysfs_wi_group). */
@injectable()
export class InterleaveWeightFiles implements PseudoFileSource {
  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(InterleaveWeightsToken) private readonly weights: InterleaveWeights,
  ) {}

  addTo(files: PseudoFiles): void {
    files.add(`${FOLDER}/auto`, {
      read: () => String(this.weights.isAuto()),
      write: (text) => this.weights.writeAuto(text),
    });
    files.addFolder(FOLDER, (name) => this.node(name));
  }

  private node(name: string): PseudoFile | null {
    const nid = Number(/^node(0|[1-9]\d*)$/.exec(name)?.[1] ?? -1);
    if (nid < 0 || !this.nodes.exists(nid) || !this.nodes.hasState(nid, N_MEMORY)) return null;
    return {
      read: () => String(this.weights.weightOf(nid)),
      write: (text) => this.weights.writeNode(nid, text),
    };
  }
}
