/**
 * Row 20 and H6: does pressure that knows two values oscillate, and what do controllers that know
 * more do with the same program and the same device? (P27 posts two; its message describes four)
 */
import {
  balloon,
  bangBang,
  fourPhase,
  noPressure,
  type PressureController,
  pressurePolicy,
  proportional,
} from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { type Plugin, Prng } from '@mm-lab/mm-core';
import { bytes, type CramLab, cramLab, DEVICE, rounded, sizedPages, watch, writer } from './kit.ts';

const DRAM_PAGES = 1024;
const DEVICE_PAGES = 2048;
/** Pages shrink to half, so the device has room for 1600 of its pages, not for all. */
const CAPACITY_PAGES = 800;
const PROGRAM_PAGES = 3000;
const LOW = 0.8;
const HIGH = 0.6;
const ACCESSES = 24_000;
const WATCH_NS = 200_000;
/** A swing of usage counts as one from so much of the capacity on: half of the gap of the marks. */
const SWING = (LOW - HIGH) / 2;

const CONTROLLERS: readonly (readonly [string, () => PressureController, ...Plugin[]])[] = [
  ['two values, as posted', bangBang],
  ['proportional, polled', () => proportional({ from: HIGH, to: 0.9, pollNs: 100_000 })],
  [
    'four phases',
    () =>
      fourPhase([
        { pressure: 0, until: 0.65, back: 0 },
        { pressure: 250, until: 0.72, back: HIGH },
        { pressure: 500, until: LOW, back: 0.68 },
        { pressure: 1000, until: 1, back: 0.75 },
      ]),
  ],
  [
    'balloon and gate',
    noPressure,
    balloon({ zratio: (1000 * DEVICE_PAGES) / CAPACITY_PAGES, pollNs: 1_000_000 }),
  ],
];

interface Outcome {
  readonly swings: number;
  readonly amplitude: number;
  readonly peak: number;
  /** Share of the time in which nothing may come in, and swings per second. */
  readonly closed: number;
  readonly perSecond: number;
  readonly swapOut: number;
  readonly demoted: number;
  readonly lost: number;
  readonly ns: number;
  readonly usage: readonly number[];
}

function run(
  controller: () => PressureController,
  others: readonly Plugin[],
  seed: number,
): Outcome {
  const lab = cramLab({
    dramPages: DRAM_PAGES,
    devicePages: DEVICE_PAGES,
    capacityBytes: bytes(CAPACITY_PAGES),
    device: { lowFraction: LOW, highFraction: HIGH },
    contents: sizedPages(() => 2048),
    swap: { kind: 'disk', pages: 8192 },
    plugins: [pressurePolicy(controller), ...others],
  });
  const usage: number[] = [];
  let closed = 0;
  const stop = watch(lab, WATCH_NS, () => {
    usage.push(shareOf(lab));
    if (isClosed(lab)) closed++;
  });
  play(lab, seed);
  stop();
  lab.machine.verify();
  const stats = lab.machine.stats();
  const settled = usage.slice(Math.floor(usage.length / 3));
  return {
    swings: swingsOf(settled),
    amplitude: Math.max(...settled) - Math.min(...settled),
    peak: (stats['device.physical_bytes.peak'] ?? 0) / bytes(CAPACITY_PAGES),
    closed: closed / usage.length,
    perSecond: (1e9 * swingsOf(settled)) / (settled.length * WATCH_NS),
    swapOut: stats['swap.out'] ?? 0,
    demoted: lab.machine.migrate.demoted,
    lost: stats['integrity.lost_pages'] ?? 0,
    ns: stats['access.ns.mean'] ?? 0,
    usage,
  };
}

/** A program that goes through three times DRAM at random and stores now and then. */
function play({ machine }: CramLab, seed: number): void {
  const task = writer(machine, 'program', PROGRAM_PAGES);
  const prng = new Prng(seed);
  for (let at = 0; at < ACCESSES; at++) {
    task.access(prng.below(PROGRAM_PAGES), prng.chance(0.1), 8);
  }
}

/** Pressure 1000 or a withdrawn zone: reclaim does not even ask, it swaps (can_demote). */
function isClosed({ cram }: CramLab): boolean {
  return cram?.isWithdrawn(DEVICE) === true || (cram?.pressureOf(DEVICE) ?? 0) >= 1000;
}

function shareOf({ device }: CramLab): number {
  return device.usedBytes() / device.capacityBytes;
}

/** Changes of direction by more than `SWING`. */
function swingsOf(usage: readonly number[]): number {
  let swings = 0;
  let extreme = usage[0] ?? 0;
  let direction = 0;
  for (const now of usage) {
    const moved = now - extreme;
    if (direction !== 0 && Math.sign(moved) === direction) {
      extreme = now;
    } else if (Math.abs(moved) > SWING) {
      if (direction !== 0) swings++;
      direction = Math.sign(moved);
      extreme = now;
    }
  }
  return swings;
}

function probe({ seed }: { seed: number }): Figures {
  const outcomes = CONTROLLERS.map(([name, make, ...others]) => ({
    name,
    ...run(make, others, seed),
  }));
  const of = (at: number): Outcome | undefined => outcomes[at];
  const length = Math.min(...outcomes.map(({ usage }) => usage.length));
  return {
    values: {
      'two.swings': of(0)?.swings ?? 0,
      'two.amplitude': of(0)?.amplitude ?? 0,
      'proportional.swings': of(1)?.swings ?? 0,
      'proportional.amplitude': of(1)?.amplitude ?? 0,
      'four.swings': of(2)?.swings ?? 0,
      'four.amplitude': of(2)?.amplitude ?? 0,
      'balloon.swings': of(3)?.swings ?? 0,
      'balloon.amplitude': of(3)?.amplitude ?? 0,
      'two.closed': of(0)?.closed ?? 0,
      'graded.closed': Math.max(of(1)?.closed ?? 1, of(2)?.closed ?? 1),
      'balloon.closed': of(3)?.closed ?? 0,
      'two.swap_out': of(0)?.swapOut ?? 0,
      'proportional.swap_out': of(1)?.swapOut ?? 0,
      lost: outcomes.reduce((sum, { lost }) => sum + lost, 0),
    },
    tables: [
      {
        name: 'controllers',
        title: `Usage between ${HIGH * 100} and ${LOW * 100} % of the capacity; one program`,
        columns: [
          'controller',
          'swings',
          'per second',
          'amplitude %',
          'over the low mark, pages',
          'closed % of the time',
          'swapped out',
          'demoted',
          'ns per access',
        ],
        rows: outcomes.map((one) => [
          one.name,
          one.swings,
          Math.round(one.perSecond),
          rounded(100 * one.amplitude, 1),
          Math.round((one.peak - LOW) * CAPACITY_PAGES),
          rounded(100 * one.closed, 1),
          one.swapOut,
          one.demoted,
          Math.round(one.ns),
        ]),
      },
      {
        name: 'usage',
        title: 'Usage of the device over time',
        columns: ['ms', ...CONTROLLERS.map(([name]) => name)],
        rows: Array.from({ length }, (_, at) => [
          rounded((at * WATCH_NS) / 1e6, 1),
          ...outcomes.map(({ usage }) => rounded(usage[at] ?? 0, 4)),
        ]),
        plotOnly: true,
        chart: { x: 'ms', y: CONTROLLERS.map(([name]) => name), yTitle: 'share of the capacity' },
      },
    ],
  };
}

export default defineProbe({
  question: 'Does pressure with two values oscillate, and do controllers with more of them?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'With two values usage swings by half more than the gap of the marks, again and again.',
      holds: (results) =>
        results.figure('two.amplitude') >= 1.5 * (LOW - HIGH) && results.figure('two.swings') >= 10,
    },
    {
      text: 'Proportional pressure settles: it swings by less than half of that gap.',
      holds: (results) =>
        results.figure('proportional.amplitude') < (LOW - HIGH) / 2 &&
        results.figure('proportional.swings') === 0,
    },
    {
      text: 'Four phases lie between.',
      holds: (results) =>
        results.figure('four.amplitude') < results.figure('two.amplitude') &&
        results.figure('four.amplitude') > results.figure('proportional.amplitude'),
    },
    {
      text: 'Balloon and gate swing with the marks too, but less than a quarter as often.',
      holds: (results) => results.figure('balloon.swings') < results.figure('two.swings') / 4,
    },
    {
      text: 'No pressure shuts the door for 2 % of the time; the gate does for most of it.',
      holds: (results) =>
        results.figure('two.closed') < 0.02 &&
        results.figure('graded.closed') < results.figure('two.closed') &&
        results.figure('balloon.closed') > 0.5,
    },
    {
      text: 'More values of pressure do not spare swap: within 5 % they write as much.',
      holds: (results) => {
        const two = results.figure('two.swap_out');
        return Math.abs(results.figure('proportional.swap_out') - two) < 0.05 * two;
      },
    },
    {
      text: 'No controller loses a page.',
      holds: (results) => results.figure('lost') === 0,
    },
  ],
});
