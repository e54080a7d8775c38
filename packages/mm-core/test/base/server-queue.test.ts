import { describe, expect, test } from 'vitest';
import { Prng } from '../../src/base/prng.js';
import {
  loadedLatency,
  meanSojournRatio,
  meanWaitRatio,
  type QueueModel,
  REFUSED,
  ServerQueue,
  type ServerQueueStats,
} from '../../src/base/server-queue.js';

const SERVICE_NS = 100;
const UTILISATIONS = [0.5, 0.7, 0.8, 0.9, 0.95] as const;
const BATCHES = 40;
const ARRIVALS = 1_600_000;

interface Run {
  readonly sojourn: Estimate;
  readonly wait: Estimate;
  readonly stats: ServerQueueStats;
}

/**
 * A mean in service times and its standard error, from batch means: neighbours in a queue are not
 * independent.
 */
interface Estimate {
  readonly mean: number;
  readonly error: number;
}

function estimate(sums: readonly number[], size: number): Estimate {
  const means = sums.map((sum) => sum / size / SERVICE_NS);
  const mean = means.reduce((a, b) => a + b, 0) / means.length;
  const squares = means.reduce((a, b) => a + (b - mean) ** 2, 0);
  return { mean, error: Math.sqrt(squares / (means.length - 1) / means.length) };
}

function run(model: QueueModel, utilisation: number): Run {
  const random = new Prng(Math.round(utilisation * 1000) + (model === 'M/M/1' ? 0 : 7919));
  const exponential = (mean: number): number => -mean * Math.log(1 - random.unit());
  const queue = new ServerQueue();
  const size = ARRIVALS / BATCHES;
  const sojourns: number[] = [];
  const waits: number[] = [];
  let nowNs = 0;
  // The first batch starts from an empty queue and is thrown away.
  for (let batch = 0; batch <= BATCHES; batch++) {
    let sojournNs = 0;
    let waitNs = 0;
    for (let i = 0; i < size; i++) {
      nowNs += exponential(SERVICE_NS / utilisation);
      const serviceNs = model === 'M/M/1' ? exponential(SERVICE_NS) : SERVICE_NS;
      sojournNs += queue.arrive(nowNs, serviceNs) - nowNs;
      waitNs += queue.startNs - nowNs;
    }
    if (batch > 0) sojourns.push(sojournNs);
    if (batch > 0) waits.push(waitNs);
  }
  queue.verify(nowNs);
  return {
    sojourn: estimate(sojourns, size),
    wait: estimate(waits, size),
    stats: queue.stats(nowNs),
  };
}

const RUNS = new Map<string, Run>();

/** One run serves several tests. */
function runOf(model: QueueModel, utilisation: number): Run {
  const name = `${model} ${utilisation}`;
  const found = RUNS.get(name) ?? run(model, utilisation);
  RUNS.set(name, found);
  return found;
}

function deviations(measured: Estimate, expected: number): number {
  return Math.abs(measured.mean - expected) / measured.error;
}

describe('closed forms', () => {
  test('the table of A1 and A2', () => {
    const row = (model: QueueModel) =>
      UTILISATIONS.map((rho) => Number(meanSojournRatio(model, rho).toFixed(2)));
    expect({ mm1: row('M/M/1'), md1: row('M/D/1') }).toEqual({
      mm1: [2, 3.33, 5, 10, 20],
      md1: [1.5, 2.17, 3, 5.5, 10.5],
    });
  });

  test('a deterministic server has exactly half the wait of an exponential one', () => {
    const ratios = UTILISATIONS.map(
      (rho) => meanWaitRatio('M/M/1', rho) / meanWaitRatio('M/D/1', rho),
    );
    expect(ratios).toEqual([2, 2, 2, 2, 2]);
  });

  test('an overloaded queue waits for ever', () => {
    expect(meanWaitRatio('M/D/1', 1)).toBe(Infinity);
    expect(meanWaitRatio('M/M/1', 1.5)).toBe(Infinity);
  });

  test('loaded latency is the idle latency at no load and grows by the wait', () => {
    const tier = { idleNs: 250, serviceNs: 4 };
    const at = (utilisation: number) => loadedLatency({ ...tier, utilisation });
    expect([at(0), at(0.5), at(0.9)].map((ns) => Number(ns.toFixed(6)))).toEqual([250, 252, 268]);
    expect(loadedLatency({ ...tier, utilisation: 0.5 }, 'M/M/1')).toBe(254);
  });
});

describe.each(UTILISATIONS)('a queue at utilisation %s', (rho) => {
  test('A1: an M/M/1 sojourn is within 3 standard errors of the closed form', () => {
    expect(deviations(runOf('M/M/1', rho).sojourn, meanSojournRatio('M/M/1', rho))).toBeLessThan(3);
  });

  test('A2: an M/D/1 sojourn is within 3 standard errors of the closed form', () => {
    expect(deviations(runOf('M/D/1', rho).sojourn, meanSojournRatio('M/D/1', rho))).toBeLessThan(3);
  });

  test('A2: the measured M/D/1 wait is half the M/M/1 wait', () => {
    const exponential = runOf('M/M/1', rho).wait;
    const deterministic = runOf('M/D/1', rho).wait;
    const half = { mean: exponential.mean / 2, error: exponential.error / 2 };
    const error = Math.hypot(half.error, deterministic.error);
    expect(Math.abs(deterministic.mean - half.mean) / error).toBeLessThan(3);
  });

  test.each(['M/M/1', 'M/D/1'] as const)("A3: Little's law holds within 1 %% on %s", (model) => {
    const { meanInSystem, arrivalsPerNs, meanSojournNs, utilisation } = runOf(model, rho).stats;
    const expected = arrivalsPerNs * meanSojournNs;
    expect(Math.abs(meanInSystem - expected) / expected).toBeLessThan(0.01);
    expect(Math.abs(utilisation - rho)).toBeLessThan(0.01);
  });
});

describe('a server queue', () => {
  test('serves in the order of arrival and lets the server idle in between', () => {
    const queue = new ServerQueue();
    const seen: number[][] = [];
    for (const [at, service] of [
      [0, 10],
      [5, 10],
      [6, 1],
      [100, 3],
    ] as const) {
      queue.arrive(at, service);
      seen.push([queue.startNs, queue.finishNs]);
    }
    expect(seen).toEqual([
      [0, 10],
      [10, 20],
      [20, 21],
      [100, 103],
    ]);
    expect(queue.stats(200)).toEqual({
      arrivals: 4,
      refused: 0,
      arrivalsPerNs: 4 / 200,
      utilisation: 24 / 200,
      meanInSystem: 43 / 200,
      peakInSystem: 3,
      meanWaitNs: 19 / 4,
      meanSojournNs: 43 / 4,
    });
  });

  test('refuses who finds the backlog full, and takes the next once somebody left', () => {
    const queue = new ServerQueue(2);
    expect([queue.arrive(0, 10), queue.arrive(1, 10), queue.arrive(2, 10)]).toEqual([
      10,
      20,
      REFUSED,
    ]);
    expect(queue.arrive(10, 10)).toBe(30);
    expect(queue.stats(10).refused).toBe(1);
  });

  test('keeps everybody when the backlog outgrows its first ring', () => {
    const queue = new ServerQueue();
    for (let i = 0; i < 50; i++) queue.arrive(i, 1);
    for (let i = 0; i < 1000; i++) queue.arrive(100, 1);
    expect(queue.lengthAt(100)).toBe(1000);
    expect(queue.lengthAt(600)).toBe(500);
    expect(queue.waitAt(600)).toBe(500);
    queue.verify(600);
  });

  test('the integral equals the sum of sojourn times at any moment', () => {
    const random = new Prng(20260226);
    const queue = new ServerQueue(8);
    let nowNs = 0;
    for (let step = 0; step < 20_000; step++) {
      nowNs += random.below(20);
      if (random.chance(0.9)) queue.arrive(nowNs, random.below(20));
      queue.verify(nowNs);
    }
    const { meanInSystem, arrivalsPerNs, meanSojournNs, refused } = queue.stats(nowNs);
    expect(refused).toBeGreaterThan(0);
    expect(Math.abs(meanInSystem / (arrivalsPerNs * meanSojournNs) - 1)).toBeLessThan(0.01);
  });

  test('time does not go back and a backlog has a size', () => {
    const queue = new ServerQueue();
    queue.arrive(10, 1);
    expect(() => queue.arrive(9, 1)).toThrow('simulated time does not go back');
    expect(() => queue.arrive(11, -1)).toThrow('not negative');
    expect(() => new ServerQueue(0)).toThrow('at least the customer in service');
  });
});
