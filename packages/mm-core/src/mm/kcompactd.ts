import { MIGRATE_SYNC_LIGHT } from '../abi/migrate.js';
import { MIGRATE_UNMOVABLE } from '../abi/migratetype.js';
import { MAX_NR_ZONES, PMD_ORDER } from '../abi/zone.js';
import type { Clock, ScheduledEvent } from '../base/clock.js';
import { ClockToken } from '../base/clock-token.js';
import { createToken, inject, injectable } from '../base/di.js';
import { buddyinfo } from '../mem/buddy.js';
import { extfragForOrder } from '../mem/fragmentation.js';
import { type Nodes, NodesToken } from '../mem/nodes.js';
import type { Pgdat } from '../mem/pgdat.js';
import { type Vmstat, VmstatToken } from '../mem/vmstat.js';
import type { Zone } from '../mem/zone.js';
import { type CompactZone, CompactZoneToken, WHOLE_ZONE } from './compact-zone.js';
import { type Compaction, CompactionToken } from './compaction.js';
import { CostModel } from './cost-model.js';
import { Sysctl } from './sysctl.js';
import { type Work, WorkToken } from './work.js';

const NS_PER_MS = 1_000_000;
/** How often fragmentation is looked at (HPAGE_FRAG_CHECK_INTERVAL_MSEC). */
const FRAG_CHECK_MS = 500;
/** Without progress the next look is so many times later (COMPACT_MAX_DEFER_SHIFT). */
const NO_PROGRESS_FACTOR = 64;

/**
 * The background compactors (mm/compaction.c:kcompactd), one per node with memory.
 *
 * asleep --wakeup_kcompactd, when a zone can be compacted for the order--> working
 * (kcompactd_do_work, one event) --> asleep. While vm.compaction_proactiveness is not 0 each also
 * looks every 500 ms whether its node is too fragmented, and compacts it until it is not.
 *
 * Simplified: a run is one moment, its cost is added to the sleep; no per-run skip hints.
 */
@injectable()
export class Kcompactd {
  private readonly looks = new Map<number, ScheduledEvent>();

  constructor(
    @inject(NodesToken) private readonly nodes: Nodes,
    @inject(CompactionToken) private readonly compaction: Compaction,
    @inject(CompactZoneToken) private readonly compactZone: CompactZone,
    @inject(VmstatToken) private readonly vmstat: Vmstat,
    @inject(Sysctl) private readonly sysctl: Sysctl,
    @inject(CostModel) private readonly cost: CostModel,
    @inject(WorkToken) private readonly work: Work,
    @inject(ClockToken) private readonly clock: Clock,
  ) {}

  /** kcompactd_run. */
  start(nid: number): void {
    const pgdat = this.nodes.pgdat(nid);
    pgdat.kcompactd.running = true;
    pgdat.kcompactd.maxOrder = 0;
    pgdat.wakeKcompactd = (order, highest) => this.wakeup(pgdat, order, highest);
    this.lookLater(pgdat, FRAG_CHECK_MS);
  }

  /** kcompactd_stop. */
  stop(nid: number): void {
    const pgdat = this.nodes.pgdat(nid);
    pgdat.kcompactd.running = false;
    pgdat.wakeKcompactd = null;
    this.looks.get(nid)?.cancel();
    this.looks.delete(nid);
  }

  /** A write to vm.compaction_proactiveness: who is eager looks at once. */
  writeProactiveness(value: number): void {
    this.sysctl.compaction_proactiveness = value;
    for (const pgdat of this.nodes.all()) {
      if (!pgdat.kcompactd.running) continue;
      this.looks.get(pgdat.nid)?.cancel();
      if (value > 0) this.lookLater(pgdat, 0);
    }
  }

  /** wakeup_kcompactd: remembers the largest order, and works if some zone is worth it. */
  private wakeup(pgdat: Pgdat, order: number, highest: number): void {
    const state = pgdat.kcompactd;
    if (order === 0) return;
    state.maxOrder = Math.max(state.maxOrder, order);
    state.highestZone = Math.min(state.highestZone, highest);
    if (state.awake) return;
    const suits = this.zones(pgdat, state.highestZone).some(
      (zone) => this.compaction.suits(zone, state.maxOrder, state.highestZone) === 'continue',
    );
    if (!suits) return;
    state.awake = true;
    this.clock.after(this.cost.ns.kswapdWake, () => this.doWork(pgdat));
  }

  /** kcompactd_do_work. */
  private doWork(pgdat: Pgdat): void {
    const state = pgdat.kcompactd;
    const { maxOrder: order, highestZone: highest } = state;
    if (state.running) {
      this.vmstat.count('compact_daemon_wake');
      for (const zone of this.zones(pgdat, highest)) this.compactFor(zone, order, highest);
    }
    state.maxOrder = 0;
    state.highestZone = MAX_NR_ZONES - 1;
    this.clock.after(this.work.take(), () => {
      state.awake = false;
    });
  }

  private compactFor(zone: Zone, order: number, highest: number): void {
    const { compaction } = this;
    if (compaction.isDeferred(zone, order)) return;
    if (compaction.suits(zone, order, highest) !== 'continue') return;
    this.run(zone, order, () => false);
    if (compaction.suits(zone, order, highest) === 'success') compaction.deferReset(zone);
    else compaction.defer(zone, order);
  }

  private run(zone: Zone, order: number, isEnough: () => boolean): void {
    const before = [
      this.vmstat.read('compact_migrate_scanned'),
      this.vmstat.read('compact_free_scanned'),
    ] as const;
    const mode = MIGRATE_SYNC_LIGHT;
    const migratetype = MIGRATE_UNMOVABLE;
    this.work.enterMemalloc();
    this.compactZone.run(zone, { order, mode, migratetype, direct: false, isEnough });
    this.work.leaveMemalloc();
    const migrate = this.vmstat.read('compact_migrate_scanned') - before[0];
    const free = this.vmstat.read('compact_free_scanned') - before[1];
    this.vmstat.count('compact_daemon_migrate_scanned', migrate);
    this.vmstat.count('compact_daemon_free_scanned', free);
  }

  private lookLater(pgdat: Pgdat, ms: number): void {
    if (this.sysctl.compaction_proactiveness === 0) return;
    const look = this.clock.after(ms * NS_PER_MS, () => this.look(pgdat));
    this.looks.set(pgdat.nid, look);
  }

  /** Too fragmented, and kswapd does not work: compacts (should_proactive_compact_node). */
  private look(pgdat: Pgdat): void {
    if (!pgdat.kcompactd.running) return;
    const score = this.nodeScore(pgdat);
    const mayRun = pgdat.kswapd.asleep && this.compaction.isAllowed(pgdat.nid);
    if (!mayRun || score <= this.highScore()) {
      this.lookLater(pgdat, FRAG_CHECK_MS);
      return;
    }
    for (const zone of this.zones(pgdat, MAX_NR_ZONES - 1)) {
      this.run(zone, WHOLE_ZONE, () => !pgdat.kswapd.asleep || zoneScore(zone) <= this.lowScore());
    }
    const vain = this.nodeScore(pgdat) >= score;
    this.lookLater(pgdat, vain ? FRAG_CHECK_MS * NO_PROGRESS_FACTOR : FRAG_CHECK_MS);
  }

  /** Percent of fragmentation at which a run ends (fragmentation_score_wmark). */
  private lowScore(): number {
    return Math.max(100 - this.sysctl.compaction_proactiveness, 5);
  }

  private highScore(): number {
    return Math.min(this.lowScore() + 10, 100);
  }

  /** Zones by their share of the node (fragmentation_score_node). */
  private nodeScore(pgdat: Pgdat): number {
    const present = pgdat.zones.reduce((sum, zone) => sum + zone.presentPages, 0);
    return pgdat.zones.reduce(
      (sum, zone) => sum + Math.floor((zoneScore(zone) * zone.presentPages) / (present + 1)),
      0,
    );
  }

  private zones(pgdat: Pgdat, highest: number): Zone[] {
    if (!this.compaction.isAllowed(pgdat.nid)) return [];
    return pgdat.zones.filter((zone) => zone.managedPages > 0 && zone.type <= highest);
  }
}
export const KcompactdToken = createToken<Kcompactd>('Kcompactd');

/** Percent of free memory that is of no use to a huge page (fragmentation_score_zone). */
function zoneScore(zone: Zone): number {
  return extfragForOrder(buddyinfo(zone), PMD_ORDER);
}
