import { createToken } from '../base/di.js';
import type { MmStruct, Vma } from '../mem/vma.js';

/** Where a page of a vma should come from. */
export interface PolicyChoice {
  /** Node to start at. */
  readonly nid: number;
  /** Nodes that may be used; null = any. */
  readonly nodemask: ReadonlySet<number> | null;
  /** Flags to add (`Isolation.asking`). */
  readonly gfp: number;
  /** Mode of the policy (MPOL_*), which says how the nodes are tried; absent: all in one walk. */
  readonly mode?: number;
}

/** Chooses nodes for user pages (mm/mempolicy.c); a service, replaceable by a plugin. */
export interface Mempolicy {
  /**
   * For the running task, which may have a policy of its own.
   *
   * @param cpuNid node of the faulting CPU
   * @param order of the folio; default 0
   */
  choose(mm: MmStruct, vma: Vma, vpn: number, cpuNid: number, order?: number): PolicyChoice;
}
export const Mempolicy = createToken<Mempolicy>('Mempolicy');

/** No policy anywhere: the CPU's node, then its zonelist (MPOL_DEFAULT). */
export class LocalPolicy implements Mempolicy {
  choose(_mm: MmStruct, _vma: Vma, _vpn: number, cpuNid: number): PolicyChoice {
    return { nid: cpuNid, nodemask: null, gfp: 0 };
  }
}
