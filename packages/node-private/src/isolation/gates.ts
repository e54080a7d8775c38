import type { Isolation } from '@mm-lab/mm-core';
import { GfpPrivate } from './gfp-private.js';
import { PrivateZonelist } from './private-zonelist.js';
import { Scope } from './scope.js';
import { ThisNode } from './thisnode.js';

/** The ways to keep allocations away from private nodes that the list discussed. */
export const GATES = {
  'gfp-private': GfpPrivate,
  thisnode: ThisNode,
  scope: Scope,
  'private-zonelist': PrivateZonelist,
} as const satisfies Record<string, new () => Isolation>;

/** Name of a gate. */
export type GateName = keyof typeof GATES;
