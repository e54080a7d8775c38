import { PG_active, PG_referenced, PG_workingset } from '../abi/page-flags.js';
import { createToken, inject, injectable } from '../base/di.js';
import { packShadow, unpackShadow } from '../mem/eviction-shadow.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import {
  LRU_ACTIVE_ANON,
  LRU_ACTIVE_FILE,
  LRU_GEN_FILE,
  LRU_INACTIVE_ANON,
  LRU_INACTIVE_FILE,
  type Lruvec,
  MAX_NR_GENS,
  typeOf,
  WORKINGSET_ACTIVATE,
  WORKINGSET_NAMES,
  WORKINGSET_REFAULT,
  WORKINGSET_RESTORE,
} from '../mem/lruvec.js';
import { type MemCgroup, type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { tierOf } from '../mem/tier-counts.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import { type Swap, SwapToken } from './swap.js';
import { type Work, WorkToken } from './work.js';

/**
 * Did an evicted page belong to the working set (mm/workingset.c)? Where it was a shadow stays: the
 * classic lists note how many pages were evicted or activated so far, the generations which one was
 * the oldest. A page that comes back soon enough is active at once. Simplified: shadows take no
 * memory, so they are never reclaimed (workingset_nodes, workingset_nodereclaim).
 */
@injectable()
export class Workingset {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(SwapToken) private readonly swap: Swap,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(WorkToken) private readonly work: Work,
  ) {}

  /**
   * The folio is evicted (workingset_eviction).
   * @param target the group whose reclaim it is; null = all memory
   * @returns the shadow to leave behind
   */
  eviction(folio: number, target: MemCgroup | null): number {
    const isWorkingset = this.table.has(folio, PG_workingset);
    const nid = this.nodes.nidOf(folio);
    const pages = this.table.nrPages(folio);
    if (!this.lru.lruGenEnabled) {
      const memcg = target?.id ?? 0;
      const token = this.lru.lruvec(memcg, nid).nonresidentAge;
      this.age(this.memcgs.get(memcg), nid, pages);
      return packShadow({ memcg, nid, token, refs: 0, isWorkingset });
    }
    const lruvec = this.lru.of(folio);
    const type = typeOf(this.table.flags[folio]!);
    const refs = this.table.lruUses(folio);
    lruvec.tiers.noteEvicted(type, tierOf(refs, isWorkingset), pages);
    const token = lruvec.minSeq[type]!;
    const { memcg } = lruvec;
    return packShadow({ memcg, nid, token, refs: Math.max(refs - 1, 0), isWorkingset });
  }

  /** The page of a shadow is back as `folio`, charged already (workingset_refault). */
  refault(folio: number, shadow: number): void {
    if (shadow === 0) return;
    if (this.lru.lruGenEnabled) this.refaultGen(folio, shadow);
    else this.refaultClassic(folio, shadow);
  }

  /** A folio became active by a use that reclaim did not look for (workingset_activation). */
  activation(folio: number): void {
    this.age(this.memcgs.of(folio), this.nodes.nidOf(folio), this.table.nrPages(folio));
  }

  private refaultClassic(folio: number, shadow: number): void {
    const lruvec = this.lru.of(folio);
    const pages = this.table.nrPages(folio);
    const type = typeOf(this.table.flags[folio]!);
    this.count(lruvec, WORKINGSET_REFAULT, type, pages);
    if (!this.isRecent(shadow, type)) return;
    this.table.set(folio, PG_active);
    this.age(this.memcgs.of(folio), lruvec.nid, pages);
    this.count(lruvec, WORKINGSET_ACTIVATE, type, pages);
    if (!unpackShadow(shadow).isWorkingset) return;
    this.table.set(folio, PG_workingset);
    this.count(lruvec, WORKINGSET_RESTORE, type, pages);
  }

  /** Would the page have stayed if all active pages had been its (workingset_test_recent)? */
  private isRecent(shadow: number, type: number): boolean {
    const { memcg: id, nid, token } = unpackShadow(shadow);
    if (!this.memcgs.exists(id)) return false;
    const memcg = this.memcgs.get(id);
    const distance = this.lru.lruvec(id, nid).nonresidentAge - token;
    let pages = this.sizeBelow(memcg, nid, LRU_ACTIVE_FILE);
    if (type !== LRU_GEN_FILE) pages += this.sizeBelow(memcg, nid, LRU_INACTIVE_FILE);
    if (this.swap.pagesFor(memcg) > 0) {
      pages += this.sizeBelow(memcg, nid, LRU_ACTIVE_ANON);
      if (type === LRU_GEN_FILE) pages += this.sizeBelow(memcg, nid, LRU_INACTIVE_ANON);
    }
    return distance <= pages;
  }

  /** lru_gen_refault: only a page that is back in the group and on the node it left counts. */
  private refaultGen(folio: number, shadow: number): void {
    const { memcg, nid, token, refs, isWorkingset } = unpackShadow(shadow);
    const lruvec = this.lru.of(folio);
    if (lruvec.memcg !== memcg || lruvec.nid !== nid) return;
    const pages = this.table.nrPages(folio);
    const type = typeOf(this.table.flags[folio]!);
    this.count(lruvec, WORKINGSET_REFAULT, type, pages);
    if (Math.abs(lruvec.maxSeq - token) >= MAX_NR_GENS) return;
    lruvec.tiers.noteRefaulted(type, tierOf(refs + 1, isWorkingset), pages);
    if (!isWorkingset) {
      this.table.lruRefs[folio] = refs;
      return;
    }
    if (this.work.inLruFault()) this.count(lruvec, WORKINGSET_ACTIVATE, type, pages);
    this.table.set(folio, PG_workingset);
    this.count(lruvec, WORKINGSET_RESTORE, type, pages);
  }

  /** folio_mark_accessed: the second use makes a page active; generations only count. */
  markAccessed(folio: number): void {
    if (this.lru.lruGenEnabled) this.table.incLruUses(folio);
    else if (!this.table.has(folio, PG_referenced)) this.table.set(folio, PG_referenced);
    else if (this.lru.activate(folio)) {
      this.table.clear(folio, PG_referenced);
      this.activation(folio);
    }
  }

  /** workingset_age_nonresident: every group above ages too. */
  private age(memcg: MemCgroup, nid: number, pages: number): void {
    for (let at: MemCgroup | null = memcg; at !== null; at = at.parent) {
      this.lru.lruvec(at.id, nid).nonresidentAge += pages;
    }
  }

  /** mod_lruvec_state: counted here and in every group above. */
  private count(lruvec: Lruvec, event: number, type: number, pages: number): void {
    const index = event * 2 + type;
    this.vmstat.count(WORKINGSET_NAMES[index]!, pages);
    let at: MemCgroup | null = this.memcgs.get(lruvec.memcg);
    for (; at !== null; at = at.parent) {
      this.lru.lruvec(at.id, lruvec.nid).workingset[index]! += pages;
    }
  }

  private sizeBelow(memcg: MemCgroup, nid: number, list: number): number {
    if (memcg.parent === null) return this.lru.size(nid, list);
    let pages = 0;
    for (const { id } of this.memcgs.below(memcg)) pages += this.lru.lruvec(id, nid).size(list);
    return pages;
  }
}
export const WorkingsetToken = createToken<Workingset>('Workingset');
