import { MAX_NR_ZONES, PMD_ORDER, WMARK_HIGH } from '../abi/zone.js';
import type { Clock } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import { type Managed, ManagedToken } from '../hooks/managed.js';
import { Sites } from '../hooks/sites.js';
import { Tracepoints } from '../hooks/tracepoints.js';
import { type LruLists, LruListsToken } from '../mem/lru.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { Pgdat } from '../mem/pgdat.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import { CostModel } from './cost-model.js';
import {
  DEF_PRIORITY,
  MAX_RECLAIM_RETRIES,
  type ScanControl,
  SWAP_CLUSTER_MAX,
} from './scan-control.js';
import { ReclaimPolicy } from './vmscan.js';
import { type Work, WorkToken } from './work.js';

/** Lowest priority for a boost (DEF_PRIORITY - 2). */
const BOOST_PRIORITY = DEF_PRIORITY - 2;

interface Run {
  readonly pgdat: Pgdat;
  readonly sc: ScanControl;
  /** Pages of boost at the start, per zone: reclaimed first, without writing (balance_pgdat). */
  readonly boost: number[];
  /** The same, kept: what an unmanaged boost falls by when the run is over. */
  readonly boostAtStart: readonly number[];
  readonly managedWatermarks: boolean;
  /** The owner lets boosted passes swap. */
  readonly maySwapBoosted: boolean;
  boosting: boolean;
  /** Pages that the whole run reclaimed. */
  reclaimed: number;
  batches: Generator<void, void> | null;
}

/**
 * The background reclaimers (mm/vmscan.c:kswapd, balance_pgdat), one per node, as actors: woken
 * through `Pgdat.wakeKswapd`, each works a batch of 32 pages per event and sleeps for the time the
 * batch cost.
 *
 * State of a node's kswapd: stopped --start--> asleep --wake--> running (balance_pgdat, priority 12
 * to 1)
 * --balanced or hopeless--> asleep.
 */
@injectable()
export class Kswapd {
  private readonly balanceSite = Sites.index('vmscan.balance_pgdat');

  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(LruListsToken) private readonly lru: LruLists,
    @inject(ReclaimPolicy) private readonly reclaim: ReclaimPolicy,
    @inject(ManagedToken) private readonly managed: Managed,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(Tracepoints) private readonly tracepoints: Tracepoints,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** kswapd_run. */
  start(nid: number): void {
    const pgdat = this.nodes.pgdat(nid);
    pgdat.kswapd.running = true;
    pgdat.kswapd.asleep = true;
    pgdat.kswapd.failures = 0;
    pgdat.wakeKswapd = () => this.wake(pgdat);
  }

  /** kswapd_stop: a run under way ends at its next batch. */
  stop(nid: number): void {
    const pgdat = this.nodes.pgdat(nid);
    pgdat.kswapd.running = false;
    pgdat.wakeKswapd = null;
  }

  /** @returns does it work? Not if its node is balanced or hopeless */
  private wake(pgdat: Pgdat): boolean {
    const state = pgdat.kswapd;
    if (!state.asleep) return true;
    if (state.failures >= MAX_RECLAIM_RETRIES) return false;
    const boosted = pgdat.zones.some((zone) => zone.watermarkBoost > 0);
    if (this.balanced(pgdat) && !boosted) return false;
    state.asleep = false;
    const tp = this.tracepoints.mm_vmscan_kswapd_wake;
    if (tp.enabled) tp.emit(pgdat.nid, state.order);
    this.clock.after(this.cost.ns.kswapdWake, () => this.begin(pgdat));
    return true;
  }

  /** Every zone list has a zone above HIGH (pgdat_balanced). */
  private balanced(pgdat: Pgdat): boolean {
    const zones = pgdat.zones.filter((zone) => zone.managedPages > 0);
    if (zones.length === 0) return true;
    return zones.some((zone) =>
      zone.watermarkOk(pgdat.kswapd.order, zone.wmark(WMARK_HIGH), MAX_NR_ZONES - 1),
    );
  }

  private begin(pgdat: Pgdat): void {
    if (!pgdat.kswapd.running) {
      pgdat.kswapd.asleep = true;
      return;
    }
    this.vmstat.count('pageoutrun');
    for (const zone of pgdat.zones) zone.reclaimActive = true;
    const policy = this.managed.node_private_reclaim_policy(this.balanceSite, pgdat.nid);
    const boost = pgdat.zones.map((zone) => zone.watermarkBoost);
    const boosting = boost.some((pages) => pages > 0);
    const sc: ScanControl = {
      reclaimer: 'kswapd',
      nrToReclaim: 0,
      priority: DEF_PRIORITY,
      maySwap: true,
      mayDemote: true,
      order: pgdat.kswapd.order,
      nrScanned: 0,
      nrReclaimed: 0,
    };
    const run: Run = {
      pgdat,
      sc,
      boost,
      boostAtStart: [...boost],
      managedWatermarks: policy.managed_watermarks,
      maySwapBoosted: policy.may_swap,
      boosting,
      reclaimed: 0,
      batches: null,
    };
    if (this.hasWork(run)) this.step(run);
    else this.end(run);
  }

  /** One batch; then the actor sleeps for what it cost. */
  private step(run: Run): void {
    const { pgdat, sc } = run;
    this.work.enterMemalloc();
    let more = pgdat.kswapd.running;
    if (more) {
      run.batches ??= this.startPriority(run);
      if (run.batches.next().done) {
        run.batches = null;
        more = this.nextPriority(run);
      }
    }
    this.work.leaveMemalloc();
    const ns = this.work.take();
    if (more && sc.priority >= 1) this.clock.after(ns, () => this.step(run));
    else this.end(run);
  }

  private startPriority(run: Run): Generator<void, void> {
    const { pgdat, sc } = run;
    sc.maySwap = !run.boosting || run.maySwapBoosted;
    sc.nrScanned = 0;
    sc.nrReclaimed = 0;
    sc.nrToReclaim = pgdat.zones
      .filter((zone) => zone.managedPages > 0)
      .reduce((sum, zone) => sum + Math.max(zone.wmark(WMARK_HIGH), SWAP_CLUSTER_MAX), 0);
    return this.reclaim.shrinkNode(pgdat, sc);
  }

  /**
   * What the loop of balance_pgdat does after a pass: pays the boost off, and falls to the next
   * priority unless the pass scanned enough and found something. For a boost it tries not so hard,
   * and stops when it finds nothing.
   * @returns is there more to do?
   */
  private nextPriority(run: Run): boolean {
    const { sc } = run;
    run.reclaimed += sc.nrReclaimed;
    const wasBoosting = run.boosting;
    run.boosting &&= !this.reduceBoost(run, sc.nrReclaimed);
    if (wasBoosting && sc.nrReclaimed === 0) return false;
    const enough = sc.nrScanned >= sc.nrToReclaim && sc.nrReclaimed > 0;
    if (!enough && !(run.boosting && sc.priority <= BOOST_PRIORITY)) sc.priority--;
    return this.hasWork(run);
  }

  /** A boosted run goes on while its node is balanced; a node that is not drops the boost first. */
  private hasWork(run: Run): boolean {
    const balanced = this.balanced(run.pgdat);
    if (!balanced && run.boosting) {
      run.boosting = false;
      run.sc.priority = DEF_PRIORITY;
    }
    return !balanced || run.boosting;
  }

  /** What was reclaimed pays the boost off. @returns is it paid? */
  private reduceBoost(run: Run, reclaimed: number): boolean {
    let left = reclaimed;
    for (let at = 0; at < run.boost.length; at++) {
      const paid = Math.min(run.boost[at]!, left);
      run.boost[at]! -= paid;
      left -= paid;
    }
    return run.boost.every((pages) => pages === 0);
  }

  /**
   * A run is over. A node that is not balanced gets another one at once, unless 16 runs in a row
   * found nothing (kswapd_try_to_sleep, prepare_kswapd_sleep).
   */
  private end(run: Run): void {
    const { pgdat, sc } = run;
    const state = pgdat.kswapd;
    for (const zone of pgdat.zones) zone.reclaimActive = false;
    this.lru.lruvec(0, pgdat.nid).snapshotRefaults();
    if (!run.managedWatermarks) {
      pgdat.zones.forEach((zone, at) => {
        zone.watermarkBoost = Math.max(0, zone.watermarkBoost - run.boostAtStart[at]!);
      });
    }
    const balanced = this.balanced(pgdat);
    if (balanced) state.failures = 0;
    else if (run.reclaimed === 0) state.failures++;
    if (!balanced && state.failures < MAX_RECLAIM_RETRIES && state.running) {
      this.clock.after(this.cost.ns.kswapdWake, () => this.begin(pgdat));
      return;
    }
    state.order = 0;
    state.asleep = true;
    const boosted = run.boostAtStart.some((pages) => pages > 0);
    const order = Math.max(sc.order, boosted ? PMD_ORDER : 0);
    pgdat.wakeKcompactd?.(order, MAX_NR_ZONES - 1);
    const tp = this.tracepoints.mm_vmscan_kswapd_sleep;
    if (tp.enabled) tp.emit(pgdat.nid);
  }
}
export const KswapdToken = createToken<Kswapd>('Kswapd');
