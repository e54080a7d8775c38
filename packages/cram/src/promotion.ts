import {
  __GFP_RETRY_MAYFAIL,
  CostModel,
  createToken,
  type Folios,
  FoliosToken,
  type FolioTable,
  FolioTableToken,
  GFP_HIGHUSER_MOVABLE,
  inject,
  injectable,
  type Mapping,
  MappingToken,
  MIGRATE_SYNC,
  type Migrate,
  MigrateToken,
  MR_NUMA_MISPLACED,
  type PageAlloc,
  PageAllocToken,
  PTE_ACCESSED,
  VM_FAULT_RETRY,
  type VmFault,
  type Work,
  WorkToken,
} from '@mm-lab/mm-core';
import { CramConfig } from './mends.js';
import type { CramNode } from './node.js';
import { type WritablePages, WritablePagesToken } from './policy/writable-pages.js';

/**
 * The way out by a store (mm/cram.c:cram_fault): the whole folio goes back to DRAM before the store
 * is tried again, unless the write policy lets it go on in place.
 */
@injectable()
export class CramPromotion {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(MigrateToken) private readonly migrate: Migrate,
    @inject(PageAllocToken) private readonly pageAlloc: PageAlloc,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(CramConfig) private readonly config: CramConfig,
    @inject(WritablePagesToken) private readonly writable: WritablePages,
    @inject(MappingToken) private readonly mapping: Mapping,
  ) {}

  /**
   * Isolating the folio under the page-table lock decides between CPUs that store to it; the loser
   * faults again. The entry was read-only when it left, so the store takes a second, ordinary
   * write-protect fault in DRAM.
   * @returns 0 to try the store again, VM_FAULT_RETRY if DRAM had no room
   */
  handleFault(node: CramNode, folio: number, vmf: VmFault): number {
    this.work.charge(this.cost.ns.trap);
    if (this.staysOnLoad(vmf) || this.writable.tryWrite(node.nid, folio, vmf)) {
      vmf.unlock();
      return 0;
    }
    if (!this.folios.isolateLru(folio)) {
      vmf.unlock();
      return 0;
    }
    vmf.unlock();
    const list = [folio];
    const mayFail = this.config.fullDram === 'v4' ? __GFP_RETRY_MAYFAIL : 0;
    const gfp = GFP_HIGHUSER_MOVABLE | mayFail;
    this.migrate.migratePages(list, {
      mode: MIGRATE_SYNC,
      reason: MR_NUMA_MISPLACED,
      newFolio: (src) => {
        const order = this.table.order[src] ?? 0;
        return this.pageAlloc.alloc({ gfp, order, nid: vmf.nid, nodemask: null });
      },
    });
    if (list.length === 0) {
      node.promotions++;
      return 0;
    }
    for (const left of list) this.folios.putbackLru(left);
    this.folios.lruAddDrain();
    return VM_FAULT_RETRY;
  }

  /** A load that faulted for the accessed bit: mended, its entry gets it and the page stays. */
  private staysOnLoad(vmf: VmFault): boolean {
    if (vmf.write || this.config.readFaults === 'v4') return false;
    this.mapping.change(vmf.slot, PTE_ACCESSED, 0);
    return true;
  }
}
export const CramPromotionToken = createToken<CramPromotion>('CramPromotion');
