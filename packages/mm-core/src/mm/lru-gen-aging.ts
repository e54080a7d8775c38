import { VM_EXEC, VM_HUGETLB, VM_LOCKED, VM_READ, VM_WRITE } from '../abi/mman.js';
import { PG_referenced, PG_workingset } from '../abi/page-flags.js';
import { pteMapsNormalPage } from '../abi/pte.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import {
  genOf,
  LRU_GEN_ANON,
  LRU_GEN_FILE,
  type Lruvec,
  MAX_NR_GENS,
  MIN_NR_GENS,
  typeOf,
} from '../mem/lruvec.js';
import { type MemCgroups, MemCgroupsToken } from '../mem/memcg.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Ptes, PtesToken } from '../mem/ptes.js';
import { LRU_REFS_MAX, tierOf } from '../mem/tier-counts.js';
import { hasRecency, type MmStruct, type Vma } from '../mem/vma.js';
import { CostModel } from './cost-model.js';
import { type Mapping, MappingToken } from './mapping.js';
import { type Mms, MmsToken } from './mms.js';
import { MAX_SWAPPINESS, SWAPPINESS_ANON_ONLY } from './scan-control.js';
import { type Work, WorkToken } from './work.js';

/** Folios that one round moves to another generation at most (MAX_LRU_BATCH). */
export const MAX_LRU_BATCH = 4096;

/** Types that reclaim with this swappiness takes (for_each_evictable_type). */
export function evictableTypes(swappiness: number): readonly number[] {
  if (swappiness === 0) return [LRU_GEN_FILE];
  if (swappiness === SWAPPINESS_ANON_ONLY) return [LRU_GEN_ANON];
  return [LRU_GEN_ANON, LRU_GEN_FILE];
}

/** Oldest generation of the types that may go (evictable_min_seq). */
export function evictableMinSeq(lruvec: Lruvec, swappiness: number): number {
  return Math.min(...evictableTypes(swappiness).map((type) => lruvec.minSeq[type]!));
}

/**
 * Aging of the multi-generational LRU (mm/vmscan.c): a walk of page tables finds what was used
 * since the last one, then a new youngest generation begins. A page's first use is only noted
 * (PG_referenced, which a page has from its fault); its next one makes it young and part of the
 * working set. Simplified: every entry of the group's address spaces is looked at, without bloom
 * filter; the walk costs a scan of each page that was used.
 */
@injectable()
export class LruGenAging {
  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(MemCgroupsToken) private readonly memcgs: MemCgroups,
    @inject(PtesToken) private readonly ptes: Ptes,
    @inject(MappingToken) private readonly mapping: Mapping,
    @inject(MmsToken) private readonly mms: Mms,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** try_to_inc_max_seq. */
  incMaxSeq(lruvec: Lruvec, swappiness: number): void {
    for (const mm of this.mms.all()) {
      if (this.memcgs.ofMm(mm).id === lruvec.memcg) this.walkMm(mm, lruvec, swappiness);
    }
    for (const type of [LRU_GEN_FILE, LRU_GEN_ANON]) {
      while (lruvec.nrGens(type) === MAX_NR_GENS && !this.incMinSeq(lruvec, type, swappiness));
    }
    lruvec.maxSeq++;
    lruvec.births[genOf(lruvec.maxSeq)] = this.clock.now;
  }

  /**
   * Oldest generations without folios go (try_to_inc_min_seq); the two types stay together as far
   * as both may be taken.
   */
  tryToIncMinSeq(lruvec: Lruvec, swappiness: number): void {
    const min = [...lruvec.minSeq];
    for (const type of evictableTypes(swappiness)) {
      while (min[type]! + MIN_NR_GENS <= lruvec.maxSeq) {
        if (this.lru.tail(lruvec.genList(min[type]!, type)) >= 0) break;
        min[type]! += 1;
      }
    }
    if (swappiness > 0 && swappiness <= MAX_SWAPPINESS) {
      const limit = lruvec.maxSeq - MIN_NR_GENS;
      const [anon = 0, file = 0] = min;
      if (anon > limit && file < limit) min[LRU_GEN_ANON] = limit;
      else if (file > limit && anon < limit) min[LRU_GEN_FILE] = limit;
    }
    for (const type of evictableTypes(swappiness)) {
      if (min[type]! <= lruvec.minSeq[type]!) continue;
      lruvec.tiers.carryOver(type);
      lruvec.minSeq[type] = min[type]!;
    }
  }

  /** A page that was found in use by any means but a file descriptor (folio_update_gen). */
  markUsed(folio: number, lruvec: Lruvec): void {
    if (!this.table.has(folio, PG_referenced | PG_workingset)) {
      this.table.set(folio, PG_referenced);
      return;
    }
    if (this.table.lruGen[folio] === 0) return;
    this.table.clearLruUses(folio);
    this.table.set(folio, PG_workingset);
    this.lru.updateGen(folio, genOf(lruvec.maxSeq));
  }

  /**
   * Next generation of a folio of the oldest one, unless it has been raised already
   * (folio_inc_gen); its tier is noted as spared, but not when it is full of uses.
   */
  incGen(folio: number, lruvec: Lruvec): void {
    const type = typeOf(this.table.flags[folio]!);
    const refs = this.table.lruUses(folio);
    const isWorkingset = this.table.has(folio, PG_workingset);
    const old = genOf(lruvec.minSeq[type]!);
    if (this.table.lruGen[folio] === old + 1) {
      this.table.clearLruUses(folio);
      this.lru.updateGen(folio, genOf(old + 1));
    }
    if (isFullOfUses(refs, isWorkingset)) return;
    lruvec.tiers.noteSpared(type, tierOf(refs, isWorkingset), this.table.nrPages(folio));
  }

  /**
   * A folio that eviction comes across: one that has been raised goes to the list of its
   * generation, one of a tier that comes back too often to the next (sort_folio). @returns was it
   * one?
   */
  sortFolio(folio: number, lruvec: Lruvec, tier: number): boolean {
    const type = typeOf(this.table.flags[folio]!);
    if (this.table.lruGen[folio] === genOf(lruvec.minSeq[type]!) + 1) {
      const refs = this.table.lruUses(folio);
      const isWorkingset = this.table.has(folio, PG_workingset);
      if (tierOf(refs, isWorkingset) <= tier && !isFullOfUses(refs, isWorkingset)) return false;
      this.incGen(folio, lruvec);
    }
    this.lru.sort(folio, 'add');
    return true;
  }

  /** Pushes the oldest generation into the next (inc_min_seq). @returns is it done? */
  private incMinSeq(lruvec: Lruvec, type: number, swappiness: number): boolean {
    const from = lruvec.genList(lruvec.minSeq[type]!, type);
    if (evictableTypes(swappiness).includes(type)) {
      for (let left = MAX_LRU_BATCH; left > 0; left--) {
        const folio = this.lru.tail(from);
        if (folio < 0) break;
        this.incGen(folio, lruvec);
        this.lru.sort(folio, 'rotate');
      }
      if (this.lru.tail(from) >= 0) return false;
    }
    lruvec.tiers.carryOver(type);
    lruvec.minSeq[type]! += 1;
    return true;
  }

  /** walk_mm. */
  private walkMm(mm: MmStruct, lruvec: Lruvec, swappiness: number): void {
    for (const vma of mm.vmas) {
      if (skips(vma, swappiness)) continue;
      this.ptes.walk(mm.id, vma.start, vma.end, (slot) => {
        const bits = this.ptes.bits[slot]!;
        if (!pteMapsNormalPage(bits)) return;
        const folio = this.table.head(this.ptes.value[slot]!);
        if (this.table.memcg[folio] !== lruvec.memcg) return;
        if (this.nodes.nidOf(folio) !== lruvec.nid) return;
        if (!this.mapping.testAndClearYoung(slot)) return;
        this.work.charge(this.cost.ns.scanPage);
        this.markUsed(folio, lruvec);
      });
    }
  }
}
export const LruGenAgingToken = createToken<LruGenAging>('LruGenAging');

/** Every use that can be counted was: the folio is promoted lazily, which says nothing of tiers. */
function isFullOfUses(refs: number, isWorkingset: boolean): boolean {
  return refs + (isWorkingset ? 1 : 0) === LRU_REFS_MAX + 2;
}

/** Areas that aging leaves out (should_skip_vma). */
function skips(vma: Vma, swappiness: number): boolean {
  if (!hasRecency(vma) || (vma.flags & (VM_LOCKED | VM_HUGETLB)) !== 0) return true;
  if ((vma.flags & (VM_READ | VM_WRITE | VM_EXEC)) === 0) return true;
  if (vma.file === null || vma.file.kind === 'shmem') return swappiness === 0;
  return swappiness === SWAPPINESS_ANON_ONLY;
}
