import type { ProfileName } from '../src/index.js';

/** What is generated of a machine. Ordinary nodes are 0 and 2, private ones 1 and 3. */
export interface WorldShape {
  readonly profile: ProfileName;
  readonly pages: readonly [number, number, number, number];
  /** What both private nodes opt in to: NP_OPS_* bits (-1: no ops), or NODE_PRIVATE_CAP_* bits. */
  readonly flags: number;
  readonly refuses: boolean;
  readonly distance: number;
  /** Latency of ordinary node 2: as node 0, or a tier of its own above the private nodes. */
  readonly secondNs: number;
  /** Nodes in the order in which they get their memory after boot; 0 has it from the start. */
  readonly order: readonly number[];
}

/** One step; numbers are taken modulo what there is. */
export type Step =
  | { readonly kind: 'alloc'; readonly gfp: number; readonly order: number; readonly nid: number }
  | { readonly kind: 'write'; readonly task: number; readonly pages: number }
  | { readonly kind: 'policy'; readonly task: number; readonly mode: number; readonly mask: number }
  | { readonly kind: 'bind'; readonly mode: number; readonly mask: number; readonly flags: number }
  | { readonly kind: 'home'; readonly mode: number; readonly mask: number; readonly nid: number }
  | { readonly kind: 'move'; readonly nid: number; readonly pages: number }
  | { readonly kind: 'migrate'; readonly from: number; readonly to: number }
  | { readonly kind: 'confine'; readonly task: number; readonly mask: number }
  | { readonly kind: 'narrow'; readonly mask: number }
  | { readonly kind: 'limit'; readonly pages: number }
  | { readonly kind: 'fork'; readonly pages: number }
  | { readonly kind: 'mremap'; readonly to: number }
  | { readonly kind: 'share'; readonly mode: number; readonly mask: number }
  | { readonly kind: 'huge'; readonly nid: number; readonly pages: number }
  | { readonly kind: 'merge' }
  | { readonly kind: 'collapse'; readonly byCall: boolean }
  | { readonly kind: 'compact'; readonly nid: number }
  | { readonly kind: 'pin'; readonly page: number }
  | { readonly kind: 'offline'; readonly page: number; readonly hard: boolean }
  | { readonly kind: 'balance'; readonly nid: number }
  | { readonly kind: 'reclaim'; readonly nid: number }
  | { readonly kind: 'demote'; readonly nid: number }
  | { readonly kind: 'exhaust' }
  | { readonly kind: 'pageout' }
  | { readonly kind: 'exit'; readonly task: number }
  | { readonly kind: 'replug'; readonly nid: number }
  | { readonly kind: 'register'; readonly nid: number }
  | { readonly kind: 'wait' };

/** The step of a kind. */
export type StepOf<K extends Step['kind']> = Extract<Step, { readonly kind: K }>;
