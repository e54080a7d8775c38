/**
 * V18 of the validation ladder: a device that keeps what it expanded. The first line of a page pays
 * for the decompression (about 1 us), the next ones find the page expanded (about 260 ns), and what
 * that is worth depends on who touches what. (Chu et al.; Panwar et al., TMCC and DyLeCT)
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import type { Task } from '@mm-lab/mm-core';
import { type CramLab, cramLab, onDevice, pageRange, rounded } from './kit.ts';

const PAGES = 256;
/** Pages that the device keeps expanded. */
const KEPT = 64;
const MISS_NS = 1000;
const HIT_NS = 260;
/** Loads per run. */
const LOADS = 4096;

/** A program whose pages are all on the device, held there by CRAM. */
function reader(kept: number): { lab: CramLab; task: Task } {
  const cache = kept === 0 ? {} : { cache: { pages: kept, hitNs: HIT_NS } };
  const lab = cramLab({ devicePages: 1024, device: { lineNs: MISS_NS, ...cache } });
  return { lab, task: onDevice(lab, 'reader', PAGES) };
}

/** Simulated time that the program takes for these loads, in ns. */
function timeOf(kept: number, loads: readonly number[]): number {
  const { lab, task } = reader(kept);
  const { clock } = lab.machine;
  const before = clock.now;
  for (const vpn of loads) task.read(vpn);
  lab.machine.verify();
  return clock.now - before;
}

/** Each page is loaded so many times in a row, once in the run: locality within a page only. */
function runsOf(loadsAPage: number): readonly number[] {
  const pages = Math.min(PAGES, LOADS / loadsAPage);
  return pageRange(pages * loadsAPage).map((at) => Math.floor(at / loadsAPage));
}

/** So many pages, one load each, round and round. */
function roundsOf(pages: number): readonly number[] {
  return pageRange(LOADS).map((at) => at % pages);
}

/** What the cache makes of a program. */
interface Gain {
  readonly lineNs: number;
  readonly speedup: number;
}

function gainOf(loads: readonly number[]): Gain {
  const with_ = timeOf(KEPT, loads);
  return {
    lineNs: rounded(with_ / loads.length, 1),
    speedup: rounded(timeOf(0, loads) / with_, 3),
  };
}

/** Speedup if every `loads`-th load misses and the others hit. */
function bound(loads: number): number {
  return rounded((loads * MISS_NS) / (MISS_NS + (loads - 1) * HIT_NS), 3);
}

const RUNS = [1, 2, 4, 16, 64, 512];
const ROUNDS = [16, KEPT, KEPT + 1, PAGES];

function probe(): Figures {
  const runs = RUNS.map((loads) => ({ loads, gain: gainOf(runsOf(loads)), bound: bound(loads) }));
  const rounds = ROUNDS.map((pages) => ({ pages, gain: gainOf(roundsOf(pages)) }));
  const gaps = runs.map(({ gain, bound: expected }) => Math.abs(gain.speedup / expected - 1));
  return {
    values: {
      'run.gap': Math.max(...gaps),
      ...Object.fromEntries(runs.map(({ loads, gain }) => [`run.${loads}`, gain.speedup])),
      ...Object.fromEntries(rounds.map(({ pages, gain }) => [`round.${pages}`, gain.speedup])),
      'line_ns.best': Math.min(...runs.map(({ gain }) => gain.lineNs)),
      'line_ns.worst': Math.max(...runs.map(({ gain }) => gain.lineNs)),
    },
    tables: [
      {
        name: 'runs',
        title: 'Pages are visited once, with so many loads each',
        chart: { x: 'loads a page', y: ['speedup', 'closed form'], xLog: true, yTitle: 'times' },
        columns: ['loads a page', 'first touches', 'ns a line', 'speedup', 'closed form'],
        rows: runs.map(({ loads, gain, bound: expected }) => [
          loads,
          `${rounded(100 / loads, 1)} %`,
          gain.lineNs,
          gain.speedup,
          expected,
        ]),
      },
      {
        name: 'rounds',
        title: `So many pages are loaded in turn, and ${KEPT} are kept expanded`,
        chart: { x: 'pages', y: ['speedup'], xLog: true, yTitle: 'times' },
        columns: ['pages', 'ns a line', 'speedup'],
        rows: rounds.map(({ pages, gain }) => [pages, gain.lineNs, gain.speedup]),
      },
    ],
  };
}

export default defineProbe({
  question: 'What is it worth that the device keeps the pages that it expanded?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'The latency of a line goes from below 270 ns to 1 us, by locality alone.',
      holds: (results) =>
        results.figure('line_ns.best') < 270 && results.figure('line_ns.worst') === MISS_NS,
    },
    {
      text: 'Where each load is a first touch nothing is gained, and less the more of them are.',
      holds: (results) =>
        results.figure('run.1') === 1 &&
        RUNS.every(
          (loads, at) =>
            at === 0 || results.figure(`run.${loads}`) > results.figure(`run.${RUNS[at - 1]}`),
        ),
    },
    {
      text: 'The speedup is within 1 % of what the share of first touches says.',
      holds: (results) => results.figure('run.gap') < 0.01,
    },
    {
      text: 'One page more than are kept, in turn, and the gain of at least 3 is gone.',
      holds: (results) =>
        results.figure(`round.${KEPT}`) > 3 && results.figure(`round.${KEPT + 1}`) === 1,
    },
  ],
});
