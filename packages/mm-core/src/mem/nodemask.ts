import { EINVAL, EOVERFLOW, ERANGE } from '../abi/errno.js';
import { NODEMASK_BITS } from '../abi/mempolicy.js';

/** A set of nodes whose members come in ascending order (nodemask_t). */
export type Nodemask = ReadonlySet<number>;

/** No node. */
export const NO_NODES: Nodemask = new Set();

/** The mask of these nodes. */
export function nodemask(nodes: Iterable<number>): Nodemask {
  return new Set([...nodes].sort((a, b) => a - b));
}

export function nodesAnd(a: Nodemask, b: Nodemask): Nodemask {
  return new Set([...a].filter((nid) => b.has(nid)));
}

export function nodesEqual(a: Nodemask, b: Nodemask): boolean {
  return a === b || (a.size === b.size && nodesSubset(a, b));
}

/** Is every node of `a` in `b`? */
export function nodesSubset(a: Nodemask, b: Nodemask): boolean {
  for (const nid of a) if (!b.has(nid)) return false;
  return true;
}

export function nodesIntersect(a: Nodemask, b: Nodemask): boolean {
  for (const nid of a) if (b.has(nid)) return true;
  return false;
}

/** The n-th node, counted from 0, or -1. */
export function nthNode(mask: Nodemask, n: number): number {
  let left = n;
  for (const nid of mask) if (left-- === 0) return nid;
  return -1;
}

/** The first node after `nid`, from the start again behind the last; -1 in an empty mask. */
export function nextNodeIn(nid: number, mask: Nodemask): number {
  for (const candidate of mask) if (candidate > nid) return candidate;
  return nthNode(mask, 0);
}

/** The node at the same place in `to` as `nid` has in `from`, modulo its size (node_remap). */
export function nodeRemap(nid: number, from: Nodemask, to: Nodemask): number {
  if (!from.has(nid) || to.size === 0) return nid;
  let ordinal = 0;
  for (const member of from) if (member < nid) ordinal++;
  return nthNode(to, ordinal % to.size);
}

export function nodesRemap(mask: Nodemask, from: Nodemask, to: Nodemask): Nodemask {
  return nodemask([...mask].map((nid) => nodeRemap(nid, from, to)));
}

/** Folds the mask modulo the size of `onto` and takes its members as places in `onto`. */
export function nodesRelative(mask: Nodemask, onto: Nodemask): Nodemask {
  if (onto.size === 0) return NO_NODES;
  return nodemask([...mask].map((nid) => nthNode(onto, nid % onto.size)));
}

/** A mask as the kernel prints it: "0-2,5" (%*pbl). */
export function nodeList(mask: Nodemask): string {
  const runs: [first: number, last: number][] = [];
  for (const nid of mask) {
    const run = runs[runs.length - 1];
    if (run !== undefined && run[1] === nid - 1) run[1] = nid;
    else runs.push([nid, nid]);
  }
  return runs.map(([first, last]) => (first === last ? `${first}` : `${first}-${last}`)).join(',');
}

/** Reads a list of nodes (lib/bitmap-str.c:bitmap_parselist). @returns the mask or -errno */
export function parseNodeList(text: string): Nodemask | number {
  const nodes = new Set<number>();
  for (const region of text.split(/[\s,]+/)) {
    if (region === '') continue;
    const rc = addRegion(nodes, region);
    if (rc < 0) return rc;
  }
  return nodemask(nodes);
}

const LAST_BIT = NODEMASK_BITS - 1;
const REGION = /^(?:(all)|(N|\d+)(?:-(N|\d+))?)(?::(N|\d+)\/(N|\d+))?$/i;

/** One of "all", "first", "first-last", the last two with ":used/group" behind them or not. */
function addRegion(nodes: Set<number>, region: string): number {
  const [, all, from, to, usedText, groupText] = REGION.exec(region) ?? [];
  if (all === undefined && from === undefined) return -EINVAL;
  if (usedText !== undefined && all === undefined && to === undefined) return -EINVAL;
  const first = all === undefined ? numberOf(from, 0) : 0;
  const last = all === undefined ? numberOf(to, first) : LAST_BIT;
  const used = numberOf(usedText, last + 1);
  const group = numberOf(groupText, last + 1);
  if (Math.max(first, last, used, group) > 2 ** 32 - 1) return -EOVERFLOW;
  if (first > last || group === 0 || used > group) return -EINVAL;
  if (last > LAST_BIT) return -ERANGE;
  for (let start = first; start <= last; start += group) {
    for (let nid = start; nid < Math.min(start + used, last + 1); nid++) nodes.add(nid);
  }
  return 0;
}

function numberOf(text: string | undefined, absent: number): number {
  if (text === undefined) return absent;
  return text === 'N' || text === 'n' ? LAST_BIT : Number(text);
}
