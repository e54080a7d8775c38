/**
 * H13 and A8: how fast does a balloon take what the device can no longer hold, and what do pages
 * that somebody holds do to it?
 */
import { BalloonToken } from '@mm-lab/cram';
import { defineProbe, type Figures, type FigureTable } from '@mm-lab/lab';
import { PAGE_SIZE, Prng } from '@mm-lab/mm-core';
import { cramLab, DEVICE, DRAM, onDevice, pageRange, rounded, writer } from './kit.ts';

const BLOCK = 512;
/** 12 page blocks: the node is sized for a ratio of 3, then the device achieves 2. */
const NODE_PAGES = 12 * BLOCK;
const SHED_PAGES = NODE_PAGES / 3;
const ZRATIO = 3000;
const RATIO = 2000;
/** Every page of the node is in use but these: what leaves a block has to leave the node. */
const SPARE_PAGES = 256;
/** Shares of pages that somebody holds. */
const HELD = [0, 0.001, 0.002, 0.005, 0.01];
const SEEDS = [1, 2, 3, 4, 5, 6];
const RUNG_HELD = [0, 0.002, 0.01];
const RUNG_SEEDS = [1, 2, 3];
/** Ratio 3 to 2 on 256 GiB of physical memory sheds 256 GiB of logical memory. */
const TARGET_BYTES = 256 * 2 ** 30;
/** Rates that H13 names, in bytes per ns: swap-out, migration of small folios, of huge ones. */
const RATES = [1.82, 3.31, 11] as const;

/** The balloon is looked at this often, and so many times. */
const STEP_NS = 100_000;
/** What is drawn, and for so many steps. */
const DRAWN = [0, 0.001, 0.01];
const COURSE_STEPS = 150;
const STEPS = { all: 300, 'the ratio': COURSE_STEPS, withdrawn: 1000 } as const;

interface Outcome {
  readonly share: number;
  readonly taken: number;
  /** From the report until a third of the node is in the balloon; 0: it never is. */
  readonly ns: number;
  readonly kills: number;
  readonly bystander: boolean;
  /** Pages in the balloon after each step of `STEP_NS`. */
  readonly course: readonly number[];
}

/**
 * What is reported: 'all', so that every page block is tried; 'the ratio', 2 in place of 3;
 * 'withdrawn', the same, and the zone is taken away too, so that the ladder goes on to swap, which
 * there is not, and to a kill.
 */
type Report = 'all' | 'the ratio' | 'withdrawn';

/** Every page of the node is in use, and a share of them is held when the device reports. */
function run(share: number, seed: number, report: Report): Outcome {
  const lab = cramLab({ dramPages: 3 * NODE_PAGES, devicePages: NODE_PAGES });
  const { machine } = lab;
  const balloon = lab.services.get(BalloonToken);
  const pages = NODE_PAGES - SPARE_PAGES;
  const task = onDevice(lab, 'resident', pages);
  const bystander = writer(machine, 'bystander', 1);
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  const prng = new Prng(seed);
  for (const vpn of pageRange(pages)) {
    if (!prng.chance(share)) continue;
    const pfn = machine.gup.getUserPage(task.mm, vpn, DRAM);
    if (typeof pfn === 'number' && pfn >= 0) held.push(pfn);
  }
  machine.spend();
  const { counts } = balloon;
  const begin = machine.clock.now;
  if (balloon.register(DEVICE, ZRATIO, null) < 0) throw new Error('the node gets no balloon');
  if (report === 'withdrawn') lab.cram?.cram_set_no_alloc(DEVICE, report);
  if (report === 'all') balloon.cram_set_capacity(DEVICE, 0);
  else balloon.cram_set_compression_ratio(DEVICE, RATIO, 'open');
  let reachedAt = 0;
  const course: number[] = [];
  for (let step = 0; step < STEPS[report] && counts.kills === 0; step++) {
    machine.clock.advance(STEP_NS);
    course.push(balloon.pagesOf(DEVICE));
    if (reachedAt === 0 && balloon.pagesOf(DEVICE) >= SHED_PAGES) reachedAt = machine.clock.now;
  }
  machine.verify();
  const { kills } = counts;
  const taken = balloon.pagesOf(DEVICE);
  const ns = reachedAt === 0 ? 0 : reachedAt - begin;
  return { share, taken, ns, kills, bystander: bystander.alive, course };
}

function rowOf(share: number, runs: readonly Outcome[]): readonly (string | number)[] {
  const sum = (pick: (one: Outcome) => number): number =>
    runs.reduce((total, one) => total + pick(one), 0);
  const cleared = sum((one) => one.taken) / (runs.length * NODE_PAGES);
  const reached = runs.filter(({ ns }) => ns > 0).length;
  return [
    100 * share,
    rounded((1 - share) ** BLOCK, 3),
    rounded(cleared, 3),
    rounded(sum((one) => Math.min(SHED_PAGES, one.taken)) / runs.length / SHED_PAGES, 2),
    `${reached} of ${runs.length}`,
  ];
}

/** How the ladder ends: by itself, by a kill that makes room, or not at all. */
function rungRow(share: number, runs: readonly Outcome[]): readonly (string | number)[] {
  const reached = runs.filter(({ ns }) => ns > 0);
  const killed = runs.filter(({ kills }) => kills > 0);
  return [
    100 * share,
    reached.length - reached.filter(({ kills }) => kills > 0).length,
    killed.length,
    rounded(runs.reduce((sum, { taken }) => sum + taken, 0) / runs.length / SHED_PAGES, 2),
    runs.filter(({ bystander }) => bystander).length,
  ];
}

function probe(): Figures {
  const ladders = RUNG_HELD.map((share) => ({
    share,
    runs: RUNG_SEEDS.map((seed) => run(share, seed, 'withdrawn')),
  }));
  const rungs = ladders.map(({ share, runs }) => rungRow(share, runs));
  const outcomes = HELD.map((share) => ({
    share,
    runs: SEEDS.map((seed) => run(share, seed, 'all')),
  }));
  const rows = outcomes.map(({ share, runs }) => rowOf(share, runs));
  const [free] = outcomes;
  const ns = free?.runs[0]?.ns ?? 0;
  const rate = (SHED_PAGES * PAGE_SIZE) / ns;
  const worst = Math.max(...rows.map((row) => Math.abs(Number(row[1]) - Number(row[2]))));
  return {
    values: {
      'nothing_held.bytes_per_ns': rate,
      'nothing_held.seconds_for_256_gib': TARGET_BYTES / rate / 1e9,
      'success.largest_difference': worst,
      'one_percent.share_taken': Number(rows.at(-1)?.[3] ?? 1),
      'nothing_held.share_taken': Number(rows[0]?.[3] ?? 0),
      'rung.nothing_held.kills': Number(rungs[0]?.[2] ?? -1),
      'rung.one_percent.kills': Number(rungs.at(-1)?.[2] ?? -1),
      'rung.one_percent.share_taken': Number(rungs.at(-1)?.[3] ?? -1),
      'rung.bystanders_killed': rungs.reduce(
        (sum, row) => sum + RUNG_SEEDS.length - Number(row[4]),
        0,
      ),
    },
    tables: [...tablesOf(rows, rungs, rate), courseTable()],
  };
}

/** The balloon over time after the ratio fell, with the first seed. */
function courseTable(): FigureTable {
  const courses = DRAWN.map((share) => run(share, 1, 'the ratio').course);
  const names = [...DRAWN.map((share) => `${100 * share} % held`), 'has to go'];
  return {
    name: 'course',
    title: 'Pages in the balloon over time, after the ratio fell from 3 to 2',
    columns: ['ms', ...names],
    rows: Array.from({ length: COURSE_STEPS }, (_, at) => [
      ((at + 1) * STEP_NS) / 1e6,
      ...courses.map((course) => course[at] ?? 0),
      SHED_PAGES,
    ]),
    plotOnly: true,
    chart: { x: 'ms', y: names, yTitle: 'pages in the balloon' },
  };
}

type Rows = readonly (readonly (string | number)[])[];

function tablesOf(rows: Rows, rungs: Rows, rate: number): readonly FigureTable[] {
  return [
    {
      name: 'held',
      title: `${NODE_PAGES / BLOCK} full page blocks, a third has to go; ${SEEDS.length} seeds`,
      columns: [
        'pages held %',
        '(1 - p)^512',
        'page blocks that cleared',
        'share of the third',
        'third reached',
      ],
      rows,
    },
    {
      name: 'rung',
      title: `Withdrawn, and no swap, until the first kill; ${RUNG_SEEDS.length} seeds`,
      columns: [
        'pages held %',
        'reached without a kill',
        'runs with a kill',
        'share of the target',
        'bystander lives',
      ],
      rows: rungs,
    },
    {
      name: 'time',
      title: 'Time to shed 256 GiB of logical memory (ratio 3 to 2, nothing held)',
      columns: ['by', 'bytes per ns', 'seconds'],
      rows: [
        [
          'the model, page block by page block',
          rounded(rate, 2),
          rounded(TARGET_BYTES / rate / 1e9, 0),
        ],
        ...RATES.map((named) => [
          `closed form at ${named} GB/s`,
          named,
          rounded(TARGET_BYTES / named / 1e9, 0),
        ]),
      ],
    },
  ];
}

export default defineProbe({
  question: 'How does a balloon converge, and what do held pages do to it?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'With nothing held the balloon takes the third that it has to.',
      holds: (results) => results.figure('nothing_held.share_taken') === 1,
    },
    {
      text: 'Page blocks clear as often as (1 - p)^512 says, within 10 points.',
      holds: (results) => results.figure('success.largest_difference') < 0.1,
    },
    {
      text: 'With 1 % of the pages held it gets less than a tenth of what it needs.',
      holds: (results) => results.figure('one_percent.share_taken') < 0.1,
    },
    {
      text: 'Where the zone is withdrawn the ladder kills for 1 % of held pages, in every run.',
      holds: (results) =>
        results.figure('rung.nothing_held.kills') === 0 &&
        results.figure('rung.one_percent.kills') === RUNG_SEEDS.length,
    },
    {
      text: 'It kills nobody who has no page on the node.',
      holds: (results) => results.figure('rung.bystanders_killed') === 0,
    },
  ],
});
