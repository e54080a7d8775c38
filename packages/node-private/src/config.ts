import { createToken, type PolicyRules } from '@mm-lab/mm-core';
import type { Divergences } from './divergences.js';

/** Ways to keep allocations away from private nodes that the list discussed. */
export type GateName = 'gfp-private' | 'thisnode' | 'scope' | 'private-zonelist';

/** As RFC v4 behaves, or as it should have. */
export type Mending = 'v4' | 'mended';

/** Generations of the design. */
export type ProfileName = 'v4-ops' | 'v5-caps';

/** A part of the kernel that its configuration may leave out. */
export type BuildOption = 'built in' | 'left out';

/** The options of the plugin with every default filled in. */
export interface NodePrivateConfig {
  readonly profile: ProfileName;
  readonly gate: GateName;
  readonly divergences: Divergences;
  readonly policy: PolicyRules;
  /** Does clear_ops first move away what would be stranded? */
  readonly teardown: Mending;
  /** Does set_ops ask for every callback that a flag stands for? */
  readonly obligations: Mending;
  /** Does clear_ops accept the last ops of a node that is unregistered? */
  readonly lateClear: Mending;
  /** Does the kernel have CONFIG_MEMORY_HOTPLUG? */
  readonly hotplug: BuildOption;
  /** Does the kernel have CONFIG_MEMORY_HOTREMOVE? */
  readonly hotRemove: BuildOption;
}
export const NodePrivateConfig = createToken<NodePrivateConfig>('NodePrivateConfig');
