import {
  PG_active,
  PG_anon,
  PG_hwpoison,
  PG_locked,
  PG_mlocked,
  PG_pinned,
  PG_referenced,
  PG_swapbacked,
  PG_workingset,
} from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { CostModel } from './cost-model.js';
import { type Demotion, DemotionToken } from './demotion.js';
import { type Folios, FoliosToken } from './folio.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { type Pageout, type PageoutResult, PageoutToken } from './pageout.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import type { ScanControl } from './scan-control.js';
import { type ScanCounters, ScanCountersToken } from './scan-counters.js';
import { type Work, WorkToken } from './work.js';

type Verdict = PageoutResult | 'demote';

/** Decides about isolated folios one by one and carries it out (mm/vmscan.c:shrink_folio_list). */
@injectable()
export class ShrinkFolioList {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(DemotionToken) private readonly demotion: Demotion,
    @inject(PageoutToken) private readonly pageout: Pageout,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(ScanCountersToken) private readonly counters: ScanCounters,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * @param list isolated folios of one node; those not reclaimed are put back on the LRU
   * @param rule MADV_PAGEOUT: take even what was used
   * @returns base pages reclaimed, demoted ones included
   */
  run(list: readonly number[], sc: ScanControl, rule: ReferenceRule): number {
    const { reclaimed, kept } = this.shrink(list, sc, rule, null);
    for (const folio of kept) this.folios.moveToLru(folio);
    return reclaimed;
  }

  /**
   * The same for folios of one group; what was not reclaimed is the caller's to put back.
   * @param memcg whose pages they are; null = of anybody
   */
  shrink(
    list: readonly number[],
    sc: ScanControl,
    rule: ReferenceRule,
    memcg: MemCgroup | null,
  ): ShrinkResult {
    const nid = list.length > 0 ? this.nodes.nidOf(list[0]!) : 0;
    const mayDemote = sc.mayDemote && this.demotion.canDemote(nid, memcg);
    const result: ShrinkResult = { reclaimed: 0, written: 0, kept: [] };
    const demote: number[] = [];
    this.pass(list, sc, mayDemote ? demote : null, rule, result);
    if (demote.length === 0) return result;
    demote.reverse();
    const demoted = this.demotion.demoteFolioList(demote, nid, memcg);
    this.counters.demoted(memcg, sc, demoted);
    result.reclaimed += demoted;
    if (sc.reclaimer === 'proactive') result.kept.push(...demote);
    else this.pass(demote, sc, null, rule, result);
    return result;
  }

  /** A folio that reclaim gave up is in use for the multi-generational LRU. */
  makeActive(folio: number): void {
    this.table.clearLruUses(folio);
    this.table.set(folio, PG_active);
  }

  private pass(
    list: readonly number[],
    sc: ScanControl,
    demote: number[] | null,
    rule: ReferenceRule,
    result: ShrinkResult,
  ): void {
    const queue = [...list].reverse();
    for (let folio = queue.pop(); folio !== undefined; folio = queue.pop()) {
      this.work.charge(this.cost.ns.scanPage);
      const verdict = this.judge(folio, sc, demote !== null, rule, queue);
      if (verdict === 'demote') {
        demote?.push(folio);
      } else if (verdict === 'free' || verdict === 'written') {
        const pages = this.table.nrPages(folio);
        result.reclaimed += pages;
        if (verdict === 'written') result.written += pages;
        this.folios.freeReclaimed(folio);
      } else if (verdict !== 'split') {
        if (verdict === 'activate') this.activate(folio);
        result.kept.push(folio);
      }
    }
  }

  private judge(
    folio: number,
    sc: ScanControl,
    mayDemote: boolean,
    rule: ReferenceRule,
    queue: number[],
  ): Verdict {
    if (!this.folios.trylock(folio)) return 'keep';
    const verdict = this.judgeLocked(folio, sc, mayDemote, rule, queue);
    if (this.table.has(folio, PG_locked)) this.folios.unlock(folio);
    return verdict;
  }

  private judgeLocked(
    folio: number,
    sc: ScanControl,
    mayDemote: boolean,
    rule: ReferenceRule,
    queue: number[],
  ): Verdict {
    if (this.table.has(folio, PG_hwpoison)) return 'keep';
    if (this.table.has(folio, PG_mlocked)) return 'activate';
    if (this.rmapWalk.isMappedLocked(folio)) {
      this.mlockFolio.lock(folio);
      return 'activate';
    }
    if (sc.mayUnmap === false && this.table.folioMapcount(folio) > 0) return 'keep';
    if (rule === 'respect') {
      const verdict = this.checkReferences(folio, sc.targetMemcg ?? null);
      if (verdict !== null) return verdict;
    }
    if (mayDemote) return 'demote';
    const isAnon = this.table.has(folio, PG_anon) && this.table.has(folio, PG_swapbacked);
    if (isAnon && this.table.has(folio, PG_pinned)) return 'keep';
    return this.pageout.out(folio, sc, queue);
  }

  /** folio_check_references: null = reclaim it. */
  private checkReferences(folio: number, target: MemCgroup | null): Verdict | null {
    const entries = this.rmapWalk.folioReferenced(folio, target);
    if (this.lru.lruGenEnabled) return entries === 0 ? null : this.setRefs(folio);
    const before = this.table.has(folio, PG_referenced);
    this.table.clear(folio, PG_referenced);
    if (entries === 0) return null;
    this.table.set(folio, PG_referenced);
    return before || entries > 1 ? 'activate' : 'keep';
  }

  /** lru_gen_set_refs: a first use is noted, the next one activates, the third is for long. */
  private setRefs(folio: number): Verdict {
    const isKnown = this.table.has(folio, PG_referenced | PG_workingset);
    if (this.table.lruUses(folio) > 1) {
      this.table.clearLruUses(folio);
      this.table.set(folio, PG_workingset);
    } else this.table.incLruUses(folio);
    return isKnown ? 'activate' : 'keep';
  }

  private activate(folio: number): void {
    if (this.table.has(folio, PG_mlocked)) return;
    this.table.set(folio, PG_active);
    this.counters.event(this.memcgs.of(folio), 'pgactivate', this.table.nrPages(folio));
  }
}
export const ShrinkFolioListToken = createToken<ShrinkFolioList>('ShrinkFolioList');

/** What became of a list. */
export interface ShrinkResult {
  /** Base pages that are gone, or moved down. */
  reclaimed: number;
  /** Pages written out. */
  written: number;
  /** Still isolated: the caller puts them back. */
  readonly kept: number[];
}

/** Are accessed bits heeded? */
export type ReferenceRule = 'respect' | 'ignore';
