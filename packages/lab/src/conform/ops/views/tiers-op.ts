import { nodeList, nodemask } from '@mm-lab/mm-core';
import type { MachineOp } from '../op.js';

/** Memory tiers with their nodes, fastest first. */
export const tiersOp: MachineOp = {
  acts: 'machine',
  fields: [],
  run: (_step, guest) => ({
    tiers: guest.machine.tiers
      .tiers()
      .map(({ tier, nodes }) => ({ tier, nodes: nodeList(nodemask(nodes)) })),
  }),
};
