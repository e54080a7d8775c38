import { __GFP_DIRECT_RECLAIM, __GFP_NORETRY, __GFP_NOWARN, __GFP_THISNODE } from '../abi/gfp.js';
import {
  MPOL_INTERLEAVE,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
} from '../abi/mempolicy.js';
import { PMD_ORDER } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { Mempolicy, type PolicyChoice } from './mempolicy.js';
import { type PageAlloc, PageAllocToken } from './page-alloc.js';

/** A page of an area that is to be allocated. */
export interface VmaPage {
  readonly mm: MmStruct;
  readonly vma: Vma;
  readonly vpn: number;
  /** Node of the CPU that faults. */
  readonly nid: number;
}

/** Allocations by policy (mm/mempolicy.c:vma_alloc_folio, alloc_pages_mpol). */
@injectable()
export class AllocMpol {
  private readonly numaInterleave = Vmstat.index('numa_interleave');

  constructor(
    @inject(Mempolicy) private readonly mempolicy: Mempolicy,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(ManagedToken) private readonly managed: Managed,
  ) {}

  /** A folio for a page of an area, by the policy there. @returns first pfn or -1 */
  vmaAllocFolio(page: VmaPage, order: number, gfp: number): number {
    const { mm, vma, vpn, nid } = page;
    return this.allocPages(this.mempolicy.choose(mm, vma, vpn, nid, order), order, gfp);
  }

  /** A folio from the nodes of a choice (alloc_pages_mpol). @returns first pfn or -1 */
  allocPages(choice: PolicyChoice, order: number, flags: number): number {
    const { nid, nodemask, mode } = choice;
    const gfp = flags | choice.gfp;
    if (mode === MPOL_PREFERRED_MANY) return this.preferredMany(choice, order, gfp);
    const { unsatisfied } = this.managed.isolation.policy;
    if (choice.gfp !== 0 && unsatisfied === 'falls back') return this.fallBack(choice, order, gfp);
    const inTurn = mode === MPOL_INTERLEAVE || mode === MPOL_WEIGHTED_INTERLEAVE;
    if (order === PMD_ORDER && !inTurn && (nodemask?.has(nid) ?? true)) {
      const near = gfp | __GFP_THISNODE | __GFP_NORETRY;
      const pfn = this.pageAlloc.alloc({ gfp: near, order, nid, nodemask: null });
      if (pfn >= 0 || (gfp & __GFP_DIRECT_RECLAIM) === 0) return pfn;
    }
    const pfn = this.pageAlloc.alloc({ gfp, order, nid, nodemask });
    if (inTurn && pfn >= 0 && this.nodes.nidOf(pfn) === nid) {
      this.vmstat.add(this.numaInterleave, 1);
    }
    return pfn;
  }

  /** The nodes of the choice without reclaim, then ordinary memory. */
  private fallBack(choice: PolicyChoice, order: number, gfp: number): number {
    const { nid, nodemask } = choice;
    const light = (gfp | __GFP_NOWARN) & ~__GFP_DIRECT_RECLAIM;
    const pfn = this.pageAlloc.alloc({ gfp: light, order, nid, nodemask });
    if (pfn >= 0) return pfn;
    return this.pageAlloc.alloc({ gfp: gfp & ~choice.gfp, order, nid, nodemask: null });
  }

  /** The nodes of the mask without reclaim, then every node (alloc_pages_preferred_many). */
  private preferredMany({ nid, nodemask }: PolicyChoice, order: number, gfp: number): number {
    const light = (gfp | __GFP_NOWARN) & ~__GFP_DIRECT_RECLAIM;
    const pfn = this.pageAlloc.alloc({ gfp: light, order, nid, nodemask });
    return pfn >= 0 ? pfn : this.pageAlloc.alloc({ gfp, order, nid, nodemask: null });
  }
}
export const AllocMpolToken = createToken<AllocMpol>('AllocMpol');
