import type { Managed } from '@mm-lab/mm-core';
import { DIVERGENCES, type Divergences } from './divergences.js';
import type { NodePrivate, NodePrivateInfo } from './node-private.js';

/** Calls whose name differs between text and code (divergences D5 and D8), under that name. */
export interface NamedCalls {
  /** May a request with these flags use node `nid`? */
  readonly gate: Readonly<Record<string, (nid: number, gfp: number) => boolean>>;
  readonly register: Readonly<Record<string, (nid: number, np: NodePrivateInfo) => number>>;
}

/** What a driver written for that reading finds. */
export function namedCalls(
  managed: Managed,
  nodePrivate: NodePrivate,
  { gateName, registerName }: Divergences,
): NamedCalls {
  return {
    gate: {
      [DIVERGENCES.gateName[gateName]]: (nid, gfp) => {
        return managed.nodeOwner(nid) === null || managed.isolation.admits(nid, gfp);
      },
    },
    register: {
      [DIVERGENCES.registerName[registerName]]: (nid, np) => {
        return nodePrivate.node_private_register(nid, np);
      },
    },
  };
}
