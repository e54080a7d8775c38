import type { MemCgroup } from '../mem/memcg.js';
import { hintsOf, type ScanControl, SWAP_CLUSTER_MAX } from './scan-control.js';

/** Protection of a group against the reclaim of another (page_counter's emin and elow). */
export interface Protection {
  readonly min: number;
  readonly low: number;
}

const NONE: Protection = { min: 0, low: 0 };

/**
 * What memory.min and memory.low protect when `target` is reclaimed, null being all memory
 * (mm/page_counter.c:page_counter_calculate_protection with memory_recursiveprot). A target is
 * not protected against itself.
 */
export function protectionOf(target: MemCgroup | null, memcg: MemCgroup): Protection {
  if (memcg.parent === null || memcg === target) return NONE;
  const path: MemCgroup[] = [];
  for (let at: MemCgroup | null = memcg; at !== null && at !== target; at = at.parent) {
    if (at.parent !== null) path.unshift(at);
  }
  let effective: Protection = NONE;
  path.forEach((group, depth) => {
    const { memory, parent } = group;
    if (depth === 0) effective = { min: memory.min, low: memory.low };
    else if (parent !== null) effective = share(group, parent, effective);
  });
  return effective;
}

/** Is everything of the group protected for good (mem_cgroup_below_min)? */
export function belowMin(target: MemCgroup | null, memcg: MemCgroup): boolean {
  const { min } = protectionOf(target, memcg);
  return min > 0 && min >= memcg.memory.usage;
}

/** Is everything of it protected while others can give (mem_cgroup_below_low)? */
export function belowLow(target: MemCgroup | null, memcg: MemCgroup): boolean {
  const { low } = protectionOf(target, memcg);
  return low > 0 && low >= memcg.memory.usage;
}

/** Pages to look at, less the protected share (apply_proportional_protection). */
export function applyProportionalProtection(
  memcg: MemCgroup,
  sc: ScanControl,
  pages: number,
): number {
  const { min, low } = protectionOf(sc.targetMemcg ?? null, memcg);
  if (min === 0 && low === 0) return pages;
  const hints = hintsOf(sc);
  const soft = !hints.memcgLowReclaim && low > min;
  if (soft) hints.memcgLowSkipped = true;
  const protection = soft ? low : min;
  const size = Math.max(memcg.memory.usage, protection);
  const left = pages - Math.floor((pages * protection) / (size + 1));
  return Math.max(left, SWAP_CLUSTER_MAX);
}

function share(memcg: MemCgroup, parent: MemCgroup, above: Protection): Protection {
  const part = (kind: 'min' | 'low'): number => {
    const protectedOf = (group: MemCgroup): number =>
      Math.min(group.memory.usage, group.memory[kind]);
    const sum = parent.children.reduce((total, group) => total + protectedOf(group), 0);
    return effectiveProtection({
      usage: memcg.memory.usage,
      parentUsage: parent.memory.usage,
      protected: protectedOf(memcg),
      parentEffective: above[kind],
      siblingsProtected: sum,
    });
  };
  return { min: part('min'), low: part('low') };
}

interface Share {
  readonly usage: number;
  readonly parentUsage: number;
  readonly protected: number;
  readonly parentEffective: number;
  readonly siblingsProtected: number;
}

/** Overcommitted protection is divided; unclaimed protection of the parent goes by usage. */
function effectiveProtection(of: Share): number {
  if (of.siblingsProtected > of.parentEffective) {
    return Math.floor((of.protected * of.parentEffective) / of.siblingsProtected);
  }
  const claims = of.parentUsage > of.siblingsProtected && of.usage > of.protected;
  if (of.parentEffective <= of.siblingsProtected || !claims) return of.protected;
  const unclaimed = of.parentEffective - of.siblingsProtected;
  const use = (of.usage - of.protected) / (of.parentUsage - of.siblingsProtected);
  return of.protected + Math.floor(unclaimed * use);
}
