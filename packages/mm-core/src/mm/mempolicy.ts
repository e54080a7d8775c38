import { createToken } from '../base/di.js';
import type { MmStruct, Vma } from '../mem/vma.js';

/** Where a page of a vma should come from. */
export interface PolicyChoice {
  /** Node to start at. */
  readonly nid: number;
  /** Nodes that may be used; null = any. */
  readonly nodemask: ReadonlySet<number> | null;
  /** Flags to add, such as `__GFP_PRIVATE`. */
  readonly gfp: number;
}

/** Chooses nodes for user pages (mm/mempolicy.c); a service, replaceable by a plugin. */
export interface Mempolicy {
  /** @param cpuNid node of the faulting CPU */
  choose(mm: MmStruct, vma: Vma, vpn: number, cpuNid: number): PolicyChoice;
}
export const Mempolicy = createToken<Mempolicy>('Mempolicy');

/** No policy anywhere: the CPU's node, then its zonelist (MPOL_DEFAULT). */
export class LocalPolicy implements Mempolicy {
  choose(_mm: MmStruct, _vma: Vma, _vpn: number, cpuNid: number): PolicyChoice {
    return { nid: cpuNid, nodemask: null, gfp: 0 };
  }
}
