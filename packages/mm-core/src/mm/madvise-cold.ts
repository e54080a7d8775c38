import { MADV_COLD } from '../abi/mman.js';
import {
  PG_active,
  PG_lru,
  PG_referenced,
  PG_unevictable,
  PG_workingset,
} from '../abi/page-flags.js';
import { pteMapsNormalPage } from '../abi/pte.js';
import { PTRS_PER_PTE } from '../abi/zone.js';
import { createToken, inject, injectable } from '../base/di.js';
import { GRANT_MADVISE } from '../hooks/grants.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import type { MmStruct, Vma } from '../mem/vma.js';
import { type Folios, FoliosToken } from './folio.js';
import { type Advisable, type MadviseSplit, MadviseSplitToken } from './madvise-split.js';
import { type Mapping, MappingToken } from './mapping.js';
import { DEF_PRIORITY, type ScanControl } from './scan-control.js';
import { type ScanCounters, ScanCountersToken } from './scan-counters.js';
import { type ShrinkFolioList, ShrinkFolioListToken } from './shrink-folio-list.js';
import { type Work, WorkToken } from './work.js';

/**
 * MADV_COLD and MADV_PAGEOUT (mm/madvise.c:madvise_cold_or_pageout_pte_range).
 *
 * Simplified: everybody may page a file out (can_do_file_pageout, pageout_anon_only_filter).
 */
@injectable()
export class MadviseCold {
  private readonly hugeSite = Sites.index('madvise.madvise_cold_or_pageout_pmd');
  private readonly site = Sites.index('madvise.madvise_cold_or_pageout_pte_range');

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(ScanCountersToken) private readonly counters: ScanCounters,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(MadviseSplitToken) private readonly large: MadviseSplit,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(ShrinkFolioListToken) private readonly shrinker: ShrinkFolioList,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * Managed folios, shared ones and those off the LRU are passed by.
   * @param advice MADV_COLD or MADV_PAGEOUT
   */
  coldOrPageout(mm: MmStruct, part: Vma, advice: number): void {
    this.folios.lruAddDrain();
    const range = this.large.clip(mm, part);
    for (const [region, leaf] of this.ptes.regions(mm.id)) {
      const first = region * PTRS_PER_PTE;
      if (first >= range.end) break;
      if (first + PTRS_PER_PTE > range.start) this.adviseTable(leaf, first, range, advice);
    }
  }

  /** The pages of one page table; MADV_PAGEOUT has them go before the next one is looked at. */
  private adviseTable(leaf: number, first: number, range: Advisable, advice: number): void {
    const out: number[] = [];
    const start = Math.max(range.start, first);
    const end = Math.min(range.end, first + PTRS_PER_PTE);
    this.ptes.walkLeaf(leaf, start, end, (slot, vpn) => {
      const bits = this.ptes.bits[slot]!;
      if (!pteMapsNormalPage(bits)) return;
      const pfn = this.ptes.value[slot]!;
      if (!this.large.fits(slot, vpn, range)) return;
      const folio = this.table.head(pfn);
      if (!this.allows(slot, folio)) return;
      if (this.table.folioMapcount(folio) !== this.table.nrPages(folio)) return;
      if (!this.table.has(folio, PG_lru)) return;
      if (advice === MADV_COLD) this.mapping.testAndClearYoung(slot);
      this.table.clear(folio, PG_referenced);
      if (this.table.has(folio, PG_active)) this.table.set(folio, PG_workingset);
      if (this.table.has(folio, PG_unevictable)) return;
      if (advice === MADV_COLD) this.deactivate(folio);
      else if (this.folios.isolateLru(folio)) out.push(folio);
    });
    this.reclaimPages(out);
  }

  /**
   * To the inactive list, or to the oldest generation; what is there already keeps its place
   * (folio_deactivate, lru_deactivate). Simplified: no batch of the CPU.
   */
  private deactivate(folio: number): void {
    if (this.lru.lruGenEnabled) {
      this.table.clearLruUses(folio);
      this.table.clear(folio, PG_workingset);
      if (this.lru.isOldestGen(folio)) return;
    } else if (!this.table.has(folio, PG_active)) return;
    this.lru.remove(folio);
    this.table.clear(folio, PG_active | PG_referenced);
    this.lru.add(folio);
    const pages = this.table.nrPages(folio);
    this.counters.event(this.memcgs.of(folio), 'pgdeactivate', pages);
  }

  /** RFC v4 patch 07 leaves the branch of huge entries out: there nobody is asked by default. */
  private allows(slot: number, folio: number): boolean {
    if (this.ptes.isHuge(slot)) {
      return !this.managed.folio_managed_refuses_huge_advice(this.hugeSite, folio);
    }
    return this.managed.folio_managed_allows(this.site, folio, GRANT_MADVISE);
  }

  /** reclaim_pages: those in a row that are of one node together. */
  private reclaimPages(list: readonly number[]): void {
    let run: number[] = [];
    for (const folio of list) {
      const [first = folio] = run;
      if (this.nodes.nidOf(folio) !== this.nodes.nidOf(first)) {
        this.pageOut(run);
        run = [];
      }
      this.table.clear(folio, PG_active);
      run.push(folio);
    }
    if (run.length > 0) this.pageOut(run);
  }

  /** reclaim_folio_list: ignores references, never demotes. */
  private pageOut(list: readonly number[]): void {
    const sc: ScanControl = {
      reclaimer: 'proactive',
      nrToReclaim: list.length,
      priority: DEF_PRIORITY,
      maySwap: true,
      mayDemote: false,
      order: 0,
      nrScanned: 0,
      nrReclaimed: 0,
    };
    this.work.enterMemalloc();
    this.shrinker.run(list, sc, 'ignore');
    this.work.leaveMemalloc();
  }
}
export const MadviseColdToken = createToken<MadviseCold>('MadviseCold');
