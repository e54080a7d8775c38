import type { HookOps } from '@mm-lab/mm-core';
import type { NodePrivateOps } from './node-private.js';

/**
 * The callbacks of a node as the core shall dispatch them. RFC v4 calls whatever pointer is there;
 * no flag gates a call (divergence D2).
 */
export function callbacksOf(ops: NodePrivateOps): Partial<HookOps> {
  return ops;
}
