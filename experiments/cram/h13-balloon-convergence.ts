/**
 * H13 and A8: how fast does a balloon take what the device can no longer hold, and what do pages
 * that somebody holds do to it?
 */
import { BalloonToken } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { PAGE_SIZE, Prng } from '@mm-lab/mm-core';
import { cramLab, DEVICE, DRAM, demote, pageRange, rounded } from './kit.ts';

const BLOCK = 512;
/** 24 page blocks: the node is sized for a ratio of 3, then the device achieves 2. */
const NODE_PAGES = 24 * BLOCK;
const SHED_PAGES = NODE_PAGES / 3;
const ZRATIO = 3000;
const RATIO = 2000;
/** Every page of the node is in use but these: what leaves a block has to leave the node. */
const SPARE_PAGES = 256;
/** Shares of pages that somebody holds. */
const HELD = [0, 0.001, 0.002, 0.005, 0.01];
const SEEDS = [1, 2];
/** Ratio 3 to 2 on 256 GiB of physical memory sheds 256 GiB of logical memory. */
const TARGET_BYTES = 256 * 2 ** 30;
/** What the cost model reckons with for migration of small folios, in bytes per ns. */
const MOVE_PAGES_RATE = 3.31;

/** The balloon is looked at this often, and so many times. */
const STEP_NS = 100_000;
const STEPS = 1000;

interface Outcome {
  readonly share: number;
  readonly taken: number;
  readonly attempts: number;
  readonly failed: number;
  readonly ns: number;
  readonly kills: number;
}

/** Every page of the node is in use, a share of them is held, and the ratio falls. */
function run(share: number, seed: number): Outcome {
  const lab = cramLab({ dramPages: 3 * NODE_PAGES, devicePages: NODE_PAGES });
  const { machine } = lab;
  const balloon = lab.services.get(BalloonToken);
  const task = machine.createTask('resident');
  const pages = NODE_PAGES - SPARE_PAGES;
  task.mmap(0, pages);
  for (const vpn of pageRange(pages)) task.write(vpn);
  demote(lab, task, pageRange(pages));
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
  balloon.cram_set_compression_ratio(DEVICE, RATIO, 'open');
  let reachedAt = 0;
  for (let step = 0; step < STEPS; step++) {
    machine.clock.advance(STEP_NS);
    if (balloon.pagesOf(DEVICE) < balloon.targetOf(DEVICE)) continue;
    reachedAt = machine.clock.now;
    break;
  }
  machine.verify();
  const { attempts, failed, kills } = counts;
  const taken = balloon.pagesOf(DEVICE);
  return { share, taken, attempts, failed, ns: reachedAt === 0 ? 0 : reachedAt - begin, kills };
}

function rowOf(share: number, runs: readonly Outcome[]): readonly (string | number)[] {
  const sum = (pick: (one: Outcome) => number): number =>
    runs.reduce((total, one) => total + pick(one), 0);
  const attempts = sum((one) => one.attempts);
  const success = (attempts - sum((one) => one.failed)) / attempts;
  const reached = runs.filter(({ ns }) => ns > 0).length;
  return [
    100 * share,
    rounded((1 - share) ** BLOCK, 3),
    rounded(success, 3),
    rounded(sum((one) => one.taken) / runs.length / SHED_PAGES, 2),
    `${reached} of ${runs.length}`,
  ];
}

function probe(): Figures {
  const outcomes = HELD.map((share) => ({ share, runs: SEEDS.map((seed) => run(share, seed)) }));
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
    },
    tables: [
      {
        name: 'held',
        title: `${NODE_PAGES / BLOCK} full page blocks shed a third; ${SEEDS.length} seeds`,
        columns: [
          'pages held %',
          '(1 - p)^512',
          'page blocks that cleared',
          'share of the target',
          'target reached',
        ],
        rows,
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
          [
            'closed form at 3.31 GB/s',
            MOVE_PAGES_RATE,
            rounded(TARGET_BYTES / MOVE_PAGES_RATE / 1e9, 0),
          ],
        ],
      },
    ],
  };
}

export default defineProbe({
  question: 'How does a balloon converge, and what do held pages do to it?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'With nothing held the balloon reaches its target.',
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
  ],
});
