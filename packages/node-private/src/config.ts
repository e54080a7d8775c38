import { createToken } from '@mm-lab/mm-core';
import type { Divergences } from './divergences.js';

/** Ways to keep allocations away from private nodes that the list discussed. */
export type GateName = 'gfp-private' | 'thisnode' | 'scope' | 'private-zonelist';

/** Generations of the design. */
export type ProfileName = 'v4-ops' | 'v5-caps';

/** The options of the plugin with every default filled in. */
export interface NodePrivateConfig {
  readonly profile: ProfileName;
  readonly gate: GateName;
  readonly divergences: Divergences;
}
export const NodePrivateConfig = createToken<NodePrivateConfig>('NodePrivateConfig');
