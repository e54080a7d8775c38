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
/** 128 MiB. */
const STAT_UNIT_PAGES = 32_768;
const STAT_THRESHOLD_MAX = 125;

/** What limits promotion to a node (struct pglist_data: nbp_*). */
interface PromotionState {
  /** Milliseconds between scan and access below which a page is hot; 0 = the default. */
  thresholdMs: number;
  thresholdSinceMs: number;
  thresholdCandidates: number;
  rateSinceMs: number;
  rateCandidates: number;
  /** Pages that were hot enough (PGPROMOTE_CANDIDATE) as far as the CPU has told the node. */
  candidates: number;
  /** Those that it has not told yet (vm_node_stat_diff); simplified: one CPU's for all. */
  untold: number;
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
    return !this.isOverRate(nid, pages);
  }

  private stateOf(nid: number): PromotionState {
    const known = this.states.get(nid);
    if (known !== undefined) return known;
    const state: PromotionState = {
      thresholdMs: 0,
      thresholdSinceMs: -Infinity,
      thresholdCandidates: 0,
      rateSinceMs: -Infinity,
      rateCandidates: 0,
      candidates: 0,
      untold: 0,
    };
    this.states.set(nid, state);
    return state;
  }

  /** Pages that a CPU counts on its own before the node knows (calculate_normal_threshold). */
  private statThreshold(nid: number): number {
    const largest = Math.max(...this.nodes.pgdat(nid).zones.map((zone) => zone.managedPages));
    const perUnit = 1 + fls(Math.floor(largest / STAT_UNIT_PAGES));
    return Math.min(STAT_THRESHOLD_MAX, 2 * fls(this.nodes.cpuCount()) * perUnit);
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

  /**
   * Counts a candidate for node `nid`; were there too many this second (numa_promotion_rate_limit)?
   * A device's nominations share the limit.
   */
  isOverRate(nid: number, pages: number): boolean {
    const state = this.stateOf(nid);
    const now = this.nowMs();
    this.vmstat.count('pgpromote_candidate', pages);
    state.untold += pages;
    if (state.untold > this.statThreshold(nid)) {
      state.candidates += state.untold;
      state.untold = 0;
    }
    if (now - state.rateSinceMs > MS_PER_S) {
      state.rateSinceMs = now;
      state.rateCandidates = state.candidates;
    }
    return state.candidates - state.rateCandidates >= this.rateLimit();
  }
}
export const NumaPromotionToken = createToken<NumaPromotion>('NumaPromotion');

/** Position of the highest bit, from 1; 0 of 0. */
function fls(value: number): number {
  return value <= 0 ? 0 : Math.floor(Math.log2(value)) + 1;
}
