import { inject, injectable } from '@mm-lab/mm-core';
import { NodePrivateConfig } from '../config.js';
import { __GFP_PRIVATE } from '../gfp.js';
import { type Interrupts, InterruptsToken } from '../interrupts.js';
import { PrivateIsolation } from './private-isolation.js';

/**
 * RFC v4: one gate that looks at a bit of the request (patch 03), and a private node in no list but
 * its own (patch 04). Cpusets grant and withhold private nodes (patch 02), and a policy that names
 * one that did not opt in is refused (patch 13). The message of patch 02 lets interrupts see
 * ordinary nodes only, which the posted code does not do (divergence D4).
 */
@injectable()
export class GfpPrivate extends PrivateIsolation {
  override readonly name = 'gfp-private';
  override readonly lists = { ownFallback: true, ownNofallback: true, third: false };

  constructor(
    @inject(NodePrivateConfig) config: NodePrivateConfig,
    @inject(InterruptsToken) private readonly interrupts: Interrupts,
  ) {
    super(config);
  }

  override admits(_nid: number, gfp: number): boolean {
    if ((gfp & __GFP_PRIVATE) === 0) return false;
    return this.config.divergences.interruptNodes === 'code' || !this.interrupts.active();
  }
}
