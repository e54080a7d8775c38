import { WMARK_PROMO, ZONE_MOVABLE } from '../abi/zone.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type FolioTable, FolioTableToken } from '../mem/folio-table.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import { Sysctl } from './sysctl.js';

const NS_PER_MS = 1_000_000;
const MS_PER_S = 1000;
const PAGES_PER_MB = 256;
/** 1 GiB free is plenty on a node of up to 16 GiB. */
const PLENTY_PAGES = 262_144;
const NUMA_MIGRATION_ADJUST_STEPS = 16;

/** What limits promotion to a node (struct pglist_data: nbp_*). */
interface PromotionState {
  /** Milliseconds between scan and access below which a page is hot; 0 = the default. */
  thresholdMs: number;
  thresholdSinceMs: number;
  thresholdCandidates: number;
  rateSinceMs: number;
  rateCandidates: number;
  /** Pages that were hot enough (PGPROMOTE_CANDIDATE). */
  candidates: number;
}

/**
 * Which pages of slow memory are hot enough to be promoted (kernel/sched/fair.c:
 * should_numa_migrate_memory in the tiering mode).
 */
@injectable()
export class NumaPromotion {
  private readonly states = new Map<number, PromotionState>();

  constructor(
    @inject(FolioTableToken) private readonly table: FolioTable,
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** Should the folio, just accessed for the first time since its scan, go to `nid`? */
  shouldPromote(folio: number, nid: number): boolean {
    const state = this.stateOf(nid);
    const pages = this.table.nrPages(folio);
    const latency = this.hintFaultLatencyMs(folio);
    if (this.hasPlenty(nid)) {
      state.thresholdMs = 0;
      this.vmstat.count('pgpromote_candidate_nrl', pages);
      return true;
    }
    this.adjustThreshold(state);
    const threshold = state.thresholdMs || this.sysctl.numa_balancing_hot_threshold_ms;
    if (latency >= threshold) return false;
    return !this.isOverRate(state, pages);
  }

  private stateOf(nid: number): PromotionState {
    const known = this.states.get(nid);
    if (known !== undefined) return known;
    const state: PromotionState = {
      thresholdMs: 0,
      thresholdSinceMs: 0,
      thresholdCandidates: 0,
      rateSinceMs: 0,
      rateCandidates: 0,
      candidates: 0,
    };
    this.states.set(nid, state);
    return state;
  }

  private nowMs(): number {
    return Math.floor(this.clock.now / NS_PER_MS);
  }

  /** Time since the scan made it inaccessible; the access is noted (numa_hint_fault_latency). */
  private hintFaultLatencyMs(folio: number): number {
    const now = this.nowMs() + 1;
    const scanned = this.table.lastCpupid[folio]!;
    this.table.lastCpupid[folio] = now;
    return now - scanned;
  }

  /** pgdat_free_space_enough. */
  private hasPlenty(nid: number): boolean {
    const { zones } = this.nodes.pgdat(nid);
    const present = zones.reduce((sum, zone) => sum + zone.presentPages, 0);
    const enough = Math.max(PLENTY_PAGES, present >> 4);
    return zones.some((zone) => {
      if (zone.managedPages === 0) return false;
      return zone.watermarkOk(0, zone.wmark(WMARK_PROMO) + enough, ZONE_MOVABLE);
    });
  }

  /** Pages a second that may be promoted. */
  private rateLimit(): number {
    return this.sysctl.numa_balancing_promote_rate_limit_MBps * PAGES_PER_MB;
  }

  /** Keeps the candidates within a tenth of the limit (numa_promotion_adjust_threshold). */
  private adjustThreshold(state: PromotionState): void {
    const { numa_balancing_hot_threshold_ms: reference } = this.sysctl;
    const periodMs = this.sysctl.numa_balancing_scan_period_max_ms;
    const now = this.nowMs();
    if (now - state.thresholdSinceMs <= periodMs) return;
    state.thresholdSinceMs = now;
    const wanted = (this.rateLimit() * periodMs) / MS_PER_S;
    const seen = state.candidates - state.thresholdCandidates;
    const unit = Math.floor((reference * 2) / NUMA_MIGRATION_ADJUST_STEPS);
    let threshold = state.thresholdMs || reference;
    if (seen > (wanted * 11) / 10) threshold = Math.max(threshold - unit, unit);
    else if (seen < (wanted * 9) / 10) threshold = Math.min(threshold + unit, reference * 2);
    state.thresholdCandidates = state.candidates;
    state.thresholdMs = threshold;
  }

  /** Counts a candidate; were there too many this second (numa_promotion_rate_limit)? */
  private isOverRate(state: PromotionState, pages: number): boolean {
    const now = this.nowMs();
    this.vmstat.count('pgpromote_candidate', pages);
    state.candidates += pages;
    if (now - state.rateSinceMs > MS_PER_S) {
      state.rateSinceMs = now;
      state.rateCandidates = state.candidates;
    }
    return state.candidates - state.rateCandidates >= this.rateLimit();
  }
}
export const NumaPromotionToken = createToken<NumaPromotion>('NumaPromotion');
