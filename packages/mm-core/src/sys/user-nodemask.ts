import { EFAULT, EINVAL } from '../abi/errno.js';
import { NODEMASK_BITS } from '../abi/mempolicy.js';
import { PAGE_SIZE } from '../abi/zone.js';
import { NO_NODES, type Nodemask, nodemask } from '../mem/nodemask.js';

/** A node mask as a program passes it: a pointer to bits, and how many there are plus one. */
export interface UserNodemask {
  /** Bits that are set; null = NULL pointer; 'bad' = a pointer that cannot be read. */
  readonly nodes: readonly number[] | null | 'bad';
  /** unsigned long: -1 is the largest. */
  readonly maxnode: number;
}

/** Bits that a mask may have at most: what fits a page. */
const BITS_MAX = PAGE_SIZE * 8;
const BITS_PER_LONG = 64;

/** Copies a mask in (mm/mempolicy.c:get_nodes). @returns the nodes, -EINVAL or -EFAULT */
export function getNodes({ nodes, maxnode }: UserNodemask): Nodemask | number {
  const bits = maxnode - 1;
  if (bits === 0 || nodes === null) return NO_NODES;
  if (bits < 0 || bits > BITS_MAX) return -EINVAL;
  if (nodes === 'bad') return -EFAULT;
  // Bits above the largest node must be clear; whole words are looked at, the last one too.
  const checkedEnd = Math.ceil(bits / BITS_PER_LONG) * BITS_PER_LONG;
  if (nodes.some((nid) => nid >= NODEMASK_BITS && nid < checkedEnd)) return -EINVAL;
  return nodemask(nodes.filter((nid) => nid < Math.min(bits, NODEMASK_BITS)));
}
