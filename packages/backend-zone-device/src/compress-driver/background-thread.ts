import type { Clock, CostModel, ScheduledEvent, ThresholdKind, Work } from '@mm-lab/mm-core';
import { N_CPU, type Nodes } from '@mm-lab/mm-core';
import type { CompressDriver } from './compress-driver.js';

/** What the thread needs of the machine. */
export interface ThreadParts {
  readonly clock: Clock;
  readonly nodes: Nodes;
  readonly cost: CostModel;
  readonly work: Work;
}

/** Ageing starts at this many times the slack at which demotion starts. */
const AGE_FACTOR = 4;
/** Laps without a cold page after which it sleeps, short or not. */
const LAPS_MAX = 4;

/**
 * The driver's thread (kthread_run): an actor that evicts when the device is short, demotes when
 * RAM is, ages pages when RAM will be, and sleeps otherwise. It sleeps no longer than all CPUs
 * together need to fault in what is free above the starting mark, within the limits of the options.
 *
 * stopped --start--> asleep --timer, interrupt--> a step --nothing to do--> asleep
 *                                                 a step --work done--> next step when it is paid
 */
export class BackgroundThread {
  private next: ScheduledEvent | null = null;
  private stopped = true;
  private demoting = false;
  private evicting = false;
  /** Entries looked at since a cold page was found. */
  private fruitless = 0;
  private agedNs = 0;

  constructor(
    private readonly parts: ThreadParts,
    private readonly driver: CompressDriver,
  ) {}

  start(): void {
    this.stopped = false;
    this.sleep(this.napNs());
  }

  /** kthread_stop: a batch under way ends on its own. */
  stop(): void {
    this.stopped = true;
    this.next?.cancel();
    this.next = null;
  }

  /** The device's interrupt: remembers what it said, and wakes the thread for a 'low'. */
  onThreshold(kind: ThresholdKind): void {
    const { counts, headroom } = this.driver;
    headroom.saidLow = kind === 'low';
    if (kind === 'low') counts.interruptsLow += 1;
    else counts.interruptsHigh += 1;
    if (this.stopped || kind !== 'low') return;
    this.sleep(this.parts.cost.ns.kswapdWake);
  }

  private sleep(ns: number): void {
    this.next?.cancel();
    this.next = this.parts.clock.after(ns, () => this.step());
  }

  private step(): void {
    this.age();
    const busy = this.evict() || this.demote();
    const ns = this.parts.work.take();
    if (this.stopped) return;
    this.sleep(busy ? Math.max(ns, this.parts.cost.ns.scanPage) : ns + this.napNs());
  }

  /** Keeps the ages of pages while RAM is or will be short. */
  private age(): void {
    const { now } = this.parts.clock;
    const { settings, pressure } = this.driver;
    if (pressure.shortNode(AGE_FACTOR * settings.startFactor) >= 0) {
      this.driver.age(now - this.agedNs);
    }
    this.agedNs = now;
  }

  /** @returns was there something to evict, and room for it? */
  private evict(): boolean {
    this.evicting = this.evicting ? !this.driver.hasEnough() : this.driver.isScarce();
    this.driver.pageOut();
    return this.evicting && this.driver.evictBatch() > 0;
  }

  /** @returns is there more to demote? */
  private demote(): boolean {
    const { settings, pressure } = this.driver;
    const factor = this.demoting ? settings.stopFactor : settings.startFactor;
    const nid = pressure.shortNode(factor);
    this.demoting = nid >= 0;
    if (nid < 0 || this.evicting || !this.driver.mayDemote('background')) return false;
    if (this.driver.demoteCold(settings.scanEntries, nid) > 0) this.fruitless = 0;
    else this.fruitless += settings.scanEntries;
    const laps = this.fruitless / Math.max(1, this.driver.residentPages());
    if (laps < LAPS_MAX) return true;
    this.fruitless = 0;
    return false;
  }

  private napNs(): number {
    const { settings, pressure } = this.driver;
    const { nodes, cost } = this.parts;
    const cpus = nodes.inState(N_CPU).reduce((sum, nid) => sum + nodes.pgdat(nid).cpus, 0);
    const slack = pressure.leastSlack(settings.startFactor);
    const untilShortNs = (slack * cost.ns.anonFault) / Math.max(1, cpus);
    return Math.min(settings.pollNsMax, Math.max(settings.pollNsMin, untilShortNs));
  }
}
