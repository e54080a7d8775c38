/**
 * Row 21 and H2: between the moment usage crosses the mark and the moment the gate shuts, demotion
 * goes on. How much headroom does which delay need?
 */
import { defineProbe, type Figures, type FigureTable } from '@mm-lab/lab';
import { demotionRace, headroomNeeded, type RaceResult } from './demotion-race.ts';
import { bytes, rounded } from './kit.ts';

const PAGE = bytes(1);
/** A page that shrinks to a third, in whole sectors. */
const THIRD = 1344;
/** Pages of one demotion call of reclaim (SWAP_CLUSTER_MAX). */
const BATCH = 32;
const DELAYS_NS = Array.from({ length: 7 }, (_, at) => 50_000 * 2 ** at);
const HEADROOMS = Array.from({ length: 7 }, (_, at) => BATCH * 2 ** at);
const PAIRS = [1_500_000, 2_000_000, 4_000_000, 8_000_000].flatMap((tauNs) =>
  [THIRD, PAGE].map((sizeBytes) => ({ tauNs, sizeBytes })),
);
const FACTORS = [0.9, 0.98, 1.02, 1.1];
/** Several threads reclaim at once; each page is incompressible. */
const THREADS = [1, 2, 4, 8];
const TOGETHER_NS = 1_000_000;

/** The rate of one demoting thread, from a race that the headroom cannot lose. */
function calibrate(batch: number): RaceResult {
  const headroomBytes = 2048 * PAGE;
  return demotionRace({ tauNs: 1_000_000, sizeBytes: PAGE, headroomBytes, batch });
}

/** Outcomes at each factor of the bound, for one page at a time: nothing else is under way. */
function pairRow(
  { tauNs, sizeBytes }: (typeof PAIRS)[number],
  pagesPerNs: number,
): readonly (string | number)[] {
  const race = { tauNs, sizeBytes, batch: 1 };
  const needed = headroomNeeded(race, pagesPerNs);
  const outcomes = FACTORS.map((factor) => {
    const { overflows } = demotionRace({ ...race, headroomBytes: Math.round(factor * needed) });
    return overflows === 0 ? 'safe' : 'lost';
  });
  return [tauNs / 1e6, sizeBytes, Math.round(needed / 1024), ...outcomes];
}

/**
 * Threads that demote batches side by side. The closed form counts whole batches as under way, of
 * which one a thread may not be: so below the bound less that data is lost for certain.
 */
function togetherRow(threads: number, batch: number, pagesPerNs: number) {
  const race = { tauNs: TOGETHER_NS, sizeBytes: PAGE, batch, threads };
  const needed = headroomNeeded(race, pagesPerNs);
  const certain = needed - threads * batch * PAGE;
  const run = (headroomBytes: number): RaceResult =>
    demotionRace({ ...race, headroomBytes: Math.round(headroomBytes) });
  const safe = run(1.02 * needed);
  return {
    threads,
    batch,
    needed: needed / PAGE,
    landed: safe.landed,
    isSafe: safe.overflows === 0,
    isLost: run(0.98 * certain).overflows > 0,
  };
}

function mapRows(): readonly (readonly (string | number)[])[] {
  return DELAYS_NS.flatMap((tauNs) =>
    HEADROOMS.map((pages) => {
      const headroomBytes = bytes(pages);
      const result = demotionRace({ tauNs, sizeBytes: PAGE, headroomBytes, batch: BATCH });
      return [tauNs / 1000, pages, result.overflows === 0 ? 'safe' : 'lost'];
    }),
  );
}

/** Cells on the wrong side of the curve by more than what one batch can make of it. */
function misplaced(rows: readonly (readonly (string | number)[])[], pagesPerNs: number): number {
  return rows.filter(([delayUs, headroom, outcome]) => {
    const during = pagesPerNs * Number(delayUs) * 1000;
    if (outcome === 'safe') return Number(headroom) < during - BATCH;
    return Number(headroom) > during + 2 * BATCH;
  }).length;
}

function probe(): Figures {
  const single = calibrate(1);
  const batched = calibrate(BATCH);
  const pairs = PAIRS.map((pair) => pairRow(pair, single.pagesPerNs));
  const map = mapRows();
  const together = [single, batched].flatMap(({ pagesPerNs }, at) =>
    THREADS.map((threads) => togetherRow(threads, at === 0 ? 1 : BATCH, pagesPerNs)),
  );
  const curve = DELAYS_NS.map((tauNs) => [tauNs / 1000, batched.pagesPerNs * tauNs + BATCH]);
  const count = (at: number, outcome: string): number =>
    pairs.filter((row) => row[3 + at] === outcome).length;
  return {
    values: {
      'demotion.gb_per_s.batch_32': rounded(batched.pagesPerNs * PAGE, 2),
      'demotion.gb_per_s.single': rounded(single.pagesPerNs * PAGE, 2),
      'pairs.lost_at_0.90': count(0, 'lost'),
      'pairs.lost_at_0.98': count(1, 'lost'),
      'pairs.safe_at_1.02': count(2, 'safe'),
      'pairs.safe_at_1.10': count(3, 'safe'),
      'together.unsafe_above_the_bound': together.filter(({ isSafe }) => !isSafe).length,
      'together.safe_below_it': together.filter(({ isLost }) => !isLost).length,
      'together.most_landed_of_needed': Math.max(
        ...together.map(({ landed, needed }) => landed / needed),
      ),
      'together.least_landed_of_needed': Math.min(
        ...together.map(({ landed, needed }) => landed / needed),
      ),
      'map.cells': map.length,
      'map.misplaced': misplaced(map, batched.pagesPerNs),
    },
    tables: tablesOf({ pairs, map, together, curve }),
  };
}

interface Found {
  readonly pairs: Rows;
  readonly map: Rows;
  readonly together: readonly ReturnType<typeof togetherRow>[];
  readonly curve: readonly (readonly number[])[];
}
type Rows = readonly (readonly (string | number)[])[];

function tablesOf({ pairs, map, together, curve }: Found): readonly FigureTable[] {
  return [
    {
      name: 'pairs',
      title: `One page at a time, headroom by the closed form D × s × tau + one page`,
      columns: ['tau ms', 'bytes a page', 'needed KiB', ...FACTORS.map((factor) => `at ${factor}`)],
      rows: pairs,
    },
    {
      name: 'together',
      title: 'Threads that demote at once, incompressible pages, 1 ms from mark to gate',
      columns: [
        'threads',
        'pages a call',
        'needed, pages',
        'came in',
        'at 1.02',
        'at 0.98 less one call each',
      ],
      rows: together.map(({ threads, batch, needed, landed, isSafe, isLost }) => [
        threads,
        batch,
        Math.round(needed),
        landed,
        isSafe ? 'safe' : 'lost',
        isLost ? 'lost' : 'safe',
      ]),
    },
    {
      name: 'map',
      title: 'Survival of one demoting thread, 32 incompressible pages a call',
      columns: ['delay us', 'headroom pages', 'outcome'],
      rows: map,
      plotOnly: true,
      chart: {
        kind: 'plane',
        x: 'delay us',
        y: 'headroom pages',
        colour: 'outcome',
        bad: ['lost'],
        xLog: true,
        yLog: true,
        xTitle: 'from the mark to the gate, µs',
        curves: [{ name: 'D × tau + 32', points: curve }],
      },
    },
  ];
}

export default defineProbe({
  question: 'How much headroom does the delay between the mark and the gate need?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'At 0.98 of D × s × tau + staging the device loses data, in every pair; at 0.9 too.',
      holds: (results) =>
        results.figure('pairs.lost_at_0.98') === PAIRS.length &&
        results.figure('pairs.lost_at_0.90') === PAIRS.length,
    },
    {
      text: 'At 1.02 of it nothing is lost, in any pair; at 1.1 neither.',
      holds: (results) =>
        results.figure('pairs.safe_at_1.02') === PAIRS.length &&
        results.figure('pairs.safe_at_1.10') === PAIRS.length,
    },
    {
      text: 'With up to 8 threads at once the same bound holds, times their number.',
      holds: (results) =>
        results.figure('together.unsafe_above_the_bound') === 0 &&
        results.figure('together.safe_below_it') === 0,
    },
    {
      text: 'It is tight: what came in is 0.9 of it or more, and never above it.',
      holds: (results) =>
        results.figure('together.least_landed_of_needed') > 0.9 &&
        results.figure('together.most_landed_of_needed') <= 1,
    },
    {
      text: 'In the map every cell is on the side of the curve that it should be, but for a batch.',
      holds: (results) => results.figure('map.misplaced') === 0,
    },
  ],
});
