import { assert } from './assert.js';

/** What a queue has seen, over the simulated time from 0 to the moment of asking. */
export interface ServerQueueStats {
  /** Customers accepted. */
  readonly arrivals: number;
  /** Customers turned away because the backlog was full. */
  readonly refused: number;
  /** Accepted customers per nanosecond. */
  readonly arrivalsPerNs: number;
  /** Share of the time in which the server was busy, 0..1. */
  readonly utilisation: number;
  /** Time average of the number waiting or in service (L of Little's law). */
  readonly meanInSystem: number;
  /** Largest number waiting or in service. */
  readonly peakInSystem: number;
  /** Mean time from arrival to start of service, in ns. */
  readonly meanWaitNs: number;
  /** Mean time from arrival to end of service, in ns (W of Little's law). */
  readonly meanSojournNs: number;
}

/** The answer of `arrive` when the backlog is full. */
export const REFUSED = -1;

/** A queue that nobody bounds is a runaway: more customers than this never wait at once. */
const BACKLOG_MAX = 1 << 20;
const RING_SIZE_FIRST = 64;

/**
 * One server that serves in the order of arrival, in simulated time. Whoever arrives brings its
 * service time, so the end of its service is known at once and no event is needed.
 *
 * The number in system is integrated over time, from arrivals and departures, while sojourn times
 * are summed per customer: the two agree only if the queue is right, which is what `verify` and
 * Little's law check.
 */
export class ServerQueue {
  /** Start of the last accepted customer's service, in ns. */
  startNs = 0;
  /** End of the last accepted customer's service, in ns: the server is free from then on. */
  finishNs = 0;

  private arrivals = 0;
  private refused = 0;
  private peakInSystem = 0;
  private waitSumNs = 0;
  private sojournSumNs = 0;
  /** Integral of the number in system up to `settledNs`, in customer-ns. */
  private areaNs = 0;
  /** Time with somebody in system up to `settledNs`. */
  private busyNs = 0;
  private settledNs = 0;
  /** Departure times of those in system, oldest at `head`; the size is a power of two. */
  private ring = new Float64Array(RING_SIZE_FIRST);
  private head = 0;
  private inSystem = 0;

  /** @param backlogMax customers waiting or in service at once, 1..2^20; one more is refused */
  constructor(private readonly backlogMax = BACKLOG_MAX) {
    assert(Number.isInteger(backlogMax), 'a backlog is a number of customers');
    assert(backlogMax >= 1, 'a backlog holds at least the customer in service');
    assert(backlogMax <= BACKLOG_MAX, 'a backlog has a bound');
  }

  /**
   * A customer arrives; times of arrival never decrease.
   *
   * @param atNs time of arrival
   * @param serviceNs time that the server needs for it
   * @returns end of its service in ns (`startNs` and `finishNs` say the same), or `REFUSED`
   */
  arrive(atNs: number, serviceNs: number): number {
    assert(serviceNs >= 0, 'a service time is not negative');
    this.settle(atNs);
    if (this.inSystem >= this.backlogMax) {
      this.refused += 1;
      return REFUSED;
    }
    this.startNs = Math.max(this.finishNs, atNs);
    this.finishNs = this.startNs + serviceNs;
    this.arrivals += 1;
    this.waitSumNs += this.startNs - atNs;
    this.sojournSumNs += this.finishNs - atNs;
    this.enqueue(this.finishNs);
    return this.finishNs;
  }

  /** Customers waiting or in service at `nowNs`. */
  lengthAt(nowNs: number): number {
    this.settle(nowNs);
    return this.inSystem;
  }

  /** Time that a customer arriving at `nowNs` would wait before its service starts. */
  waitAt(nowNs: number): number {
    return Math.max(0, this.finishNs - nowNs);
  }

  stats(nowNs: number): ServerQueueStats {
    this.settle(nowNs);
    const elapsedNs = Math.max(nowNs, Number.MIN_VALUE);
    const customers = Math.max(this.arrivals, 1);
    return {
      arrivals: this.arrivals,
      refused: this.refused,
      arrivalsPerNs: this.arrivals / elapsedNs,
      utilisation: this.busyNs / elapsedNs,
      meanInSystem: this.areaNs / elapsedNs,
      peakInSystem: this.peakInSystem,
      meanWaitNs: this.waitSumNs / customers,
      meanSojournNs: this.sojournSumNs / customers,
    };
  }

  /**
   * Rechecks the queue: Little's law over a finite time, with those still inside counted to their
   * end.
   */
  verify(nowNs: number): void {
    this.settle(nowNs);
    let remainingNs = 0;
    let lastNs = nowNs;
    for (let i = 0; i < this.inSystem; i++) {
      const leavesNs = this.ring[(this.head + i) & (this.ring.length - 1)]!;
      assert(leavesNs >= lastNs, 'customers leave in the order of arrival');
      remainingNs += leavesNs - nowNs;
      lastNs = leavesNs;
    }
    const gapNs = Math.abs(this.areaNs + remainingNs - this.sojournSumNs);
    assert(gapNs <= 1e-6 * (1 + this.sojournSumNs), 'the integral equals the sum of sojourn times');
    assert(this.busyNs <= nowNs * (1 + 1e-9), 'the server is not busier than the time is long');
  }

  /** Lets everybody leave whose time has come, and integrates up to `nowNs`. */
  private settle(nowNs: number): void {
    assert(nowNs >= this.settledNs, 'simulated time does not go back');
    while (this.inSystem > 0) {
      const leavesNs = this.ring[this.head]!;
      if (leavesNs > nowNs) break;
      this.integrate(leavesNs);
      this.head = (this.head + 1) & (this.ring.length - 1);
      this.inSystem -= 1;
    }
    this.integrate(nowNs);
  }

  private integrate(untilNs: number): void {
    const spanNs = untilNs - this.settledNs;
    this.areaNs += this.inSystem * spanNs;
    if (this.inSystem > 0) this.busyNs += spanNs;
    this.settledNs = untilNs;
  }

  private enqueue(leavesNs: number): void {
    if (this.inSystem === this.ring.length) this.grow();
    this.ring[(this.head + this.inSystem) & (this.ring.length - 1)] = leavesNs;
    this.inSystem += 1;
    if (this.inSystem > this.peakInSystem) this.peakInSystem = this.inSystem;
  }

  private grow(): void {
    const larger = new Float64Array(this.ring.length * 2);
    larger.set(this.ring.subarray(this.head));
    larger.set(this.ring.subarray(0, this.head), this.ring.length - this.head);
    this.ring = larger;
    this.head = 0;
  }
}

/** Arrivals are Poisson; service times are exponential (M/M/1) or all the same (M/D/1). */
export type QueueModel = 'M/M/1' | 'M/D/1';

/**
 * Mean time in the queue before service, in service times; Infinity at utilisation 1 and above.
 *
 * @param utilisation arrival rate times mean service time, from 0
 * @see Pollaczek and Khinchine's formula; cost model specification, A1 and A2
 */
export function meanWaitRatio(model: QueueModel, utilisation: number): number {
  if (utilisation >= 1) return Infinity;
  const exponential = utilisation / (1 - utilisation);
  return model === 'M/M/1' ? exponential : exponential / 2;
}

/** Mean time in system (wait and service), in service times: W/S of A1 and A2. */
export function meanSojournRatio(model: QueueModel, utilisation: number): number {
  return 1 + meanWaitRatio(model, utilisation);
}

/** A memory tier under load. */
export interface LoadedTier {
  /** Latency of one line when nobody else asks, in ns (L0). */
  readonly idleNs: number;
  /** Time of one line at the tier's bandwidth, in ns (S). */
  readonly serviceNs: number;
  /** Share of the bandwidth in use, from 0 (rho). */
  readonly utilisation: number;
}

/**
 * Latency of one line of a loaded tier, `L(rho) = L0 + S q(rho)` in ns, where q is the wait of the
 * queueing model (the service itself is in L0).
 *
 * This is a model, not a fit: no measured loaded-latency curve went into it (cost model
 * specification, 1.1). A line takes the same time on the wire every time, so M/D/1 is the default;
 * M/M/1 gives twice its wait.
 */
export function loadedLatency(tier: LoadedTier, model: QueueModel = 'M/D/1'): number {
  return tier.idleNs + tier.serviceNs * meanWaitRatio(model, tier.utilisation);
}
