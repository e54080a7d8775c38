import { inject, injectable, NoIsolation, type PolicyRules } from '@mm-lab/mm-core';
import { NodePrivateConfig } from '../config.js';
import { __GFP_PRIVATE } from '../gfp.js';

/**
 * What the gates have in common: the mark of a request that asks, and the rules of policies and
 * cpusets, which are the profile's. In version 5 cpusets neither grant nor withhold private nodes,
 * and a policy loses those whose owner did not opt in.
 */
@injectable()
export class PrivateIsolation extends NoIsolation {
  override readonly asking: number = __GFP_PRIVATE;
  override readonly mark: number = __GFP_PRIVATE;
  override readonly policy: PolicyRules;
  override readonly inCpusets: boolean;
  override readonly ungrantedInPolicy: 'refuse' | 'trim';

  constructor(@inject(NodePrivateConfig) protected readonly config: NodePrivateConfig) {
    super();
    this.policy = config.policy;
    const isV4 = config.profile === 'v4-ops';
    this.inCpusets = isV4;
    this.ungrantedInPolicy = isV4 ? 'refuse' : 'trim';
  }
}
