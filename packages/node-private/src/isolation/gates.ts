import type { Constructor, Isolation } from '@mm-lab/mm-core';
import type { GateName } from '../config.js';
import { GfpPrivate } from './gfp-private.js';
import { PrivateZonelist } from './private-zonelist.js';
import { Scope } from './scope.js';
import { ThisNode } from './thisnode.js';

/** The isolation of each gate. */
export const GATES: Readonly<Record<GateName, Constructor<Isolation>>> = {
  'gfp-private': GfpPrivate,
  thisnode: ThisNode,
  scope: Scope,
  'private-zonelist': PrivateZonelist,
};
