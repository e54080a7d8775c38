import { PG_anon, PG_hugetlb, PG_partially_mapped } from '../abi/page-flags.js';
import { PMD_ORDER, PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Contents, ContentsToken } from '../mem/contents.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type DeferredSplit, DeferredSplitToken } from './deferred-split.js';
import { type HugeMemory, HugeMemoryToken } from './huge-memory.js';
import type { ShrinkControl, Shrinker } from './shrinker.js';
import { type ThpSettings, ThpSettingsToken } from './thp-settings.js';

/**
 * The shrinker of large folios (mm/huge_memory.c:deferred_split_scan): splits those that are mapped
 * in part, and huge pages that are mostly zeroes. Their unmapped and zero pages are free then, but
 * reclaim does not count them as its own.
 */
@injectable()
export class DeferredSplitScan implements Shrinker {
  readonly name = 'thp-deferred_split';
  readonly isMemcgAware = true;
  private readonly underused = Vmstat.index('thp_underused_split_page');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(ContentsToken) private readonly contents: Contents,
    @inject(DeferredSplitToken) private readonly queue: DeferredSplit,
    @inject(HugeMemoryToken) private readonly huge: HugeMemory,
    @inject(ThpSettingsToken) private readonly thp: ThpSettings,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
  ) {}

  countObjects(control: ShrinkControl): number {
    return this.folios(control).length;
  }

  scanObjects(control: ShrinkControl): number {
    for (const folio of this.folios(control).slice(0, control.nrToScan)) {
      const isPartly = this.table.has(folio, PG_partially_mapped);
      if (!isPartly && !this.isUnderused(folio)) continue;
      if (this.huge.split(folio) === 0 && !isPartly) this.vmstat.add(this.underused, 1);
    }
    return 0;
  }

  private folios({ nid, memcg }: ShrinkControl): number[] {
    return this.queue
      .folios()
      .filter((folio) => this.nodes.nidOf(folio) === nid)
      .filter((folio) => memcg === null || this.table.memcg[folio] === memcg)
      .filter((folio) => this.table.has(folio, PG_partially_mapped) || this.isScannable(folio));
  }

  private isScannable(folio: number): boolean {
    if (!this.thp.shrink_underused || this.table.order[folio] !== PMD_ORDER) return false;
    return this.table.has(folio, PG_anon) && !this.table.has(folio, PG_hugetlb);
  }

  /** More pages of zeroes than khugepaged would fill (thp_underused). */
  private isUnderused(folio: number): boolean {
    const { max_ptes_none } = this.thp.khugepaged;
    if (max_ptes_none === PTRS_PER_PTE - 1) return false;
    let zeroes = 0;
    for (let pfn = folio; pfn < folio + PTRS_PER_PTE; pfn++) {
      if (this.contents.isZeroes(pfn)) zeroes++;
    }
    return zeroes > max_ptes_none;
  }
}
export const DeferredSplitScanToken = createToken<DeferredSplitScan>('DeferredSplitScan');
