import {
  PG_active,
  PG_anon,
  PG_dirty,
  PG_hwpoison,
  PG_mlocked,
  PG_pinned,
  PG_referenced,
  PG_swapcache,
  PG_workingset,
} from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CostModel } from './cost-model.js';
import { type Demotion, DemotionToken } from './demotion.js';
import { type Folios, FoliosToken } from './folio.js';
import { type HugeMemory, HugeMemoryToken } from './huge-memory.js';
import { type MlockFolio, MlockFolioToken } from './mlock-folio.js';
import { type RmapWalk, RmapWalkToken } from './rmap-walk.js';
import type { ScanControl } from './scan-control.js';
import { type Swap, SwapToken } from './swap.js';
import { type Work, WorkToken } from './work.js';

type Verdict = 'free' | 'keep' | 'activate' | 'demote';

/** Decides about isolated folios one by one and carries it out (mm/vmscan.c:shrink_folio_list). */
@injectable()
export class ShrinkFolioList {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(FoliosToken) private readonly folios: Folios,
    @inject(RmapWalkToken) private readonly rmapWalk: RmapWalk,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(DemotionToken) private readonly demotion: Demotion,
    @inject(HugeMemoryToken) private readonly huge: HugeMemory,
    @inject(MlockFolioToken) private readonly mlockFolio: MlockFolio,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * @param list isolated folios of one node; those not reclaimed are put back on the LRU
   * @param ignoreReferences MADV_PAGEOUT: take even what was used
   * @returns base pages reclaimed, demoted ones included
   */
  run(list: readonly number[], sc: ScanControl, ignoreReferences: ReferenceRule): number {
    const nid = list.length > 0 ? this.nodes.nidOf(list[0]!) : 0;
    const mayDemote = sc.mayDemote && this.demotion.canDemote(nid);
    const first = this.pass(list, sc, mayDemote, ignoreReferences);
    if (first.demote.length === 0) return first.reclaimed;
    const demoted = this.demotion.demoteFolioList(first.demote, nid);
    this.vmstat.count(`pgdemote_${sc.reclaimer}`, demoted);
    const left = first.demote;
    if (left.length === 0) return first.reclaimed + demoted;
    if (sc.reclaimer === 'proactive') {
      for (const folio of left) this.folios.moveToLru(folio);
      return first.reclaimed + demoted;
    }
    const second = this.pass(left, sc, false, ignoreReferences);
    return first.reclaimed + demoted + second.reclaimed;
  }

  private pass(
    list: readonly number[],
    sc: ScanControl,
    mayDemote: boolean,
    rule: ReferenceRule,
  ): { reclaimed: number; demote: number[] } {
    const demote: number[] = [];
    const queue = [...list];
    let reclaimed = 0;
    for (let folio = queue.pop(); folio !== undefined; folio = queue.pop()) {
      this.work.charge(this.cost.ns.scanPage);
      const verdict = this.judge(folio, sc, mayDemote, rule, queue);
      if (verdict === 'demote') {
        demote.push(folio);
      } else if (verdict === 'free') {
        reclaimed += this.table.nrPages(folio);
        this.folios.freeReclaimed(folio);
      } else {
        if (verdict === 'activate') this.activate(folio);
        this.folios.moveToLru(folio);
      }
    }
    return { reclaimed, demote };
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
    this.folios.unlock(folio);
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
    if (rule === 'respect') {
      const verdict = this.checkReferences(folio);
      if (verdict !== null) return verdict;
    }
    if (mayDemote) return 'demote';
    if (this.table.has(folio, PG_pinned)) return 'keep';
    if (this.table.order[folio]! > 0 && !this.split(folio, queue)) return 'activate';
    return this.swapOut(folio, sc);
  }

  /** folio_check_references: null = reclaim it. */
  private checkReferences(folio: number): Verdict | null {
    const entries = this.rmapWalk.folioReferenced(folio);
    const before = this.table.has(folio, PG_referenced);
    this.table.clear(folio, PG_referenced);
    if (entries === 0) return null;
    this.table.set(folio, PG_referenced);
    return before || entries > 1 ? 'activate' : 'keep';
  }

  private swapOut(folio: number, sc: ScanControl): Verdict {
    if (this.table.folioMapcount(folio) === 0 && !this.table.has(folio, PG_swapcache)) {
      return this.table.refcount[folio] === 1 ? 'free' : 'keep';
    }
    if (!this.table.has(folio, PG_swapcache)) {
      if (!sc.maySwap) return 'keep';
      if (this.swap.allocSlot(folio) < 0) return 'activate';
    }
    if (!this.rmapWalk.tryToUnmap(folio)) return 'activate';
    if (this.table.refcount[folio] !== 2) return 'activate';
    if (this.table.has(folio, PG_dirty) && this.swap.writeout(folio) < 0) return 'activate';
    this.swap.deleteFromCache(folio);
    return 'free';
  }

  private split(folio: number, queue: number[]): boolean {
    const fresh = this.huge.splitFolio(folio);
    if (fresh === null) return false;
    queue.push(...fresh);
    return true;
  }

  private activate(folio: number): void {
    if (this.table.has(folio, PG_active) || !this.table.has(folio, PG_anon)) return;
    this.table.set(folio, PG_active);
    this.table.clear(folio, PG_workingset);
    this.vmstat.count('pgactivate', this.table.nrPages(folio));
  }
}
export const ShrinkFolioListToken = createToken<ShrinkFolioList>('ShrinkFolioList');

/** Are accessed bits heeded? */
export type ReferenceRule = 'respect' | 'ignore';
