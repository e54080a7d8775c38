import { MAX_NUMNODES } from '../abi/zone.js';
import { LRU_REFS_MAX } from './tier-counts.js';

const REFS_RANGE = LRU_REFS_MAX + 1;
const MEMCG_RANGE = 128;

/** What is remembered of a page that was evicted, in place of it (a shadow entry). */
export interface EvictionShadow {
  /** Id of the group whose reclaim it was; with generations, of the page's own group. */
  readonly memcg: number;
  readonly nid: number;
  /** When: age of the lruvec in pages, or number of its oldest generation. */
  readonly token: number;
  /** Uses apart from mappings, besides the first. */
  readonly refs: number;
  readonly isWorkingset: boolean;
}

/** One number for a shadow, never 0 (mm/workingset.c:pack_shadow). */
export function packShadow({ memcg, nid, token, refs, isWorkingset }: EvictionShadow): number {
  const where = (token * MEMCG_RANGE + memcg) * MAX_NUMNODES + nid;
  return (where * REFS_RANGE + refs) * 4 + (isWorkingset ? 2 : 0) + 1;
}

export function unpackShadow(packed: number): EvictionShadow {
  const isWorkingset = packed % 4 >= 2;
  let rest = Math.floor(packed / 4);
  const refs = rest % REFS_RANGE;
  rest = Math.floor(rest / REFS_RANGE);
  const nid = rest % MAX_NUMNODES;
  rest = Math.floor(rest / MAX_NUMNODES);
  return {
    memcg: rest % MEMCG_RANGE,
    nid,
    token: Math.floor(rest / MEMCG_RANGE),
    refs,
    isWorkingset,
  };
}
