import { inject, injectable, NoIsolation, type PolicyRules } from '@mm-lab/mm-core';
import { NodePrivateConfig } from '../config.js';
import { __GFP_PRIVATE } from '../gfp.js';

/** What the gates have in common: the mark of a request that asks, and the rules of policies. */
@injectable()
export class PrivateIsolation extends NoIsolation {
  override readonly asking: number = __GFP_PRIVATE;
  override readonly mark: number = __GFP_PRIVATE;
  override readonly policy: PolicyRules;

  constructor(@inject(NodePrivateConfig) protected readonly config: NodePrivateConfig) {
    super();
    this.policy = config.policy;
  }
}
