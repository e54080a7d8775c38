import { __GFP_THISNODE, inject, injectable } from '@mm-lab/mm-core';
import { NodePrivateConfig } from '../config.js';
import { __GFP_PRIVATE } from '../gfp.js';
import { PrivateIsolation } from './private-isolation.js';

/**
 * What the list asked for instead of a flag: the node is in no list but its own NOFALLBACK, so that
 * `__GFP_THISNODE` alone gets there. There is no gate: whoever names an online node with THISNODE
 * (slab, hugetlb, loops over online nodes) gets its memory too. The bit of RFC v4 stays as a mark
 * that the allocator does not look at, so that such pages can be counted.
 */
@injectable()
export class ThisNode extends PrivateIsolation {
  override readonly name = 'thisnode';
  override readonly asking: number = __GFP_PRIVATE | __GFP_THISNODE;
  override readonly lists = { ownFallback: false, ownNofallback: true, third: false };

  constructor(@inject(NodePrivateConfig) config: NodePrivateConfig) {
    super(config);
  }
}
