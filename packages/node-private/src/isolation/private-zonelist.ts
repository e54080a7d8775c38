import { __GFP_THISNODE, inject, injectable, type ZonelistName } from '@mm-lab/mm-core';
import { NodePrivateConfig } from '../config.js';
import { __GFP_PRIVATE } from '../gfp.js';
import { PrivateIsolation } from './private-isolation.js';

/**
 * Version 5: a private node is in neither of the two ordinary lists of any node, its own included.
 * A third list holds ordinary and private nodes together, and only an interface for folios chooses
 * it. So nothing has to be tested on the way, THISNODE alone never gets there, and an allocation
 * may choose among several private nodes. The choice of list travels in the bit that was
 * `__GFP_PRIVATE` in RFC v4: it is no flag that callers may pass on here.
 */
@injectable()
export class PrivateZonelist extends PrivateIsolation {
  override readonly name = 'private-zonelist';
  override readonly lists = { ownFallback: false, ownNofallback: false, third: true };

  constructor(@inject(NodePrivateConfig) config: NodePrivateConfig) {
    super(config);
  }

  override zonelist(gfp: number): ZonelistName {
    if ((gfp & __GFP_PRIVATE) === 0) return super.zonelist(gfp);
    return (gfp & __GFP_THISNODE) !== 0 ? 'apartOnly' : 'apart';
  }
}
