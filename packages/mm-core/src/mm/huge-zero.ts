import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import type { MmStruct } from '../mem/vma.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type PolicyNodes, PolicyNodesToken } from './policy-nodes.js';
import type { Shrinker } from './shrinker.js';

/**
 * The huge zero folio (mm/huge_memory.c:mm_get_huge_zero_folio): made at the first read fault that
 * may use it. An address space that mapped it once holds it until it goes; when none does, reclaim
 * may free it. Simplified: it takes no memory of a node.
 */
@injectable()
export class HugeZero implements Shrinker {
  readonly name = 'thp-zero';
  private readonly allocated = Vmstat.index('thp_zero_page_alloc');
  private readonly holders = new Set<MmStruct>();
  private exists = false;

  constructor(
    @inject(PolicyNodesToken) private readonly policyNodes: PolicyNodes,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  /** An address space is about to map it. */
  get(mm: MmStruct): void {
    this.holders.add(mm);
    if (this.exists) return;
    this.exists = true;
    this.policyNodes.advanceCursor(1);
    this.vmstat.add(this.allocated, 1);
  }

  /** An address space is gone (mm_put_huge_zero_folio). */
  put(mm: MmStruct): void {
    this.holders.delete(mm);
  }

  countObjects(): number {
    return this.exists && this.holders.size === 0 ? PTRS_PER_PTE : 0;
  }

  /** shrink_huge_zero_folio_scan. */
  scanObjects(): number {
    if (this.holders.size === 0) this.exists = false;
    return 0;
  }
}
export const HugeZeroToken = createToken<HugeZero>('HugeZero');
