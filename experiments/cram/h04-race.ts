/**
 * H4: past the static bound it is a race. Survival needs H >= W tau + max(0, W - E s) T, where T is
 * how long eviction has to run. The plane of W / E and tau, with that boundary drawn over it.
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { bearRace, evictionRate, SMALL } from './bear-race.ts';
import { rounded } from './kit.ts';

const RATES = [0.5, 0.75, 1, 1.25, 1.5, 1.75];
const EPISODE_NS = 1_500_000;
const DELAYS_NS = [0.2, 0.4, 0.6, 0.8, 1, 1.2, 1.4].map((share) => share * 1_000_000);
const PAGES = 1400;
/** The headroom lasts eviction's own rate for so long. */
const HEADROOM_NS = EPISODE_NS / 2;
/** Pages of one step of kswapd, whose time the closed form does not know. */
const BATCH = 32;
const CURVE_POINTS = 60;

/** What the closed form asks for, in pages of growth. */
function needed(rate: number, tauNs: number, pagesPerNs: number): number {
  const lateNs = Math.min(tauNs, EPISODE_NS);
  const racing = Math.max(0, rate - 1) * (EPISODE_NS - lateNs);
  return pagesPerNs * (rate * lateNs + racing);
}

/** The delay at which the need equals the headroom, or null if none does. */
function boundaryNs(rate: number): number | null {
  const excess = Math.max(0, rate - 1);
  const tauNs = (HEADROOM_NS - excess * EPISODE_NS) / (rate - excess);
  return tauNs < 0 || tauNs > EPISODE_NS ? null : tauNs;
}

function curve(): readonly (readonly number[])[] {
  const [low, high] = [RATES[0] ?? 0, RATES.at(-1) ?? 1];
  return Array.from({ length: CURVE_POINTS + 1 }, (_, at) => {
    const rate = low + ((high - low) * at) / CURVE_POINTS;
    const tauNs = boundaryNs(rate);
    return tauNs === null ? [] : [rate, tauNs / 1e6];
  }).filter((point) => point.length === 2);
}

type Needs = readonly { readonly need: number }[];

function least(cells: Needs): number {
  return Math.min(...cells.map(({ need }) => need));
}

function most(cells: Needs): number {
  return Math.max(...cells.map(({ need }) => need));
}

function probe(): Figures {
  const pagesPerNs = evictionRate(PAGES);
  const headroom = pagesPerNs * HEADROOM_NS;
  const cells = RATES.flatMap((rate) =>
    DELAYS_NS.map((tauNs) => {
      const { overflows } = bearRace({
        guard: 'writable',
        storesPerNs: rate * pagesPerNs,
        tauNs,
        headroomBytes: Math.round(headroom * SMALL),
        episodeNs: EPISODE_NS,
        pages: PAGES,
      });
      return { rate, tauNs, lost: overflows, need: needed(rate, tauNs, pagesPerNs) };
    }),
  );
  const rows = cells.map(({ rate, tauNs, lost, need }) => [
    rate,
    tauNs / 1e6,
    lost === 0 ? 'survives' : 'loses data',
    rounded(need / headroom, 2),
  ]);
  const offBy = (need: number): number => Math.abs(need - headroom);
  const wrong = cells.filter(({ lost, need }) => lost > 0 !== need > headroom);
  return {
    values: {
      'eviction.pages_per_us': rounded(1000 * pagesPerNs, 3),
      'headroom.pages': Math.round(headroom),
      cells: cells.length,
      'cells.that_lose': cells.filter(({ lost }) => lost > 0).length,
      'cells.wrong_side': wrong.length,
      'cells.wrong_side_by_pages': Math.max(0, ...wrong.map(({ need }) => offBy(need))),
      'boundary.least_need_that_loses': least(cells.filter(({ lost }) => lost > 0)) / headroom,
      'boundary.most_need_that_survives': most(cells.filter(({ lost }) => lost === 0)) / headroom,
    },
    tables: [
      {
        name: 'race',
        title: 'Pages lost; in brackets what the closed form needs, of the headroom',
        columns: ['W / E', ...DELAYS_NS.map((tauNs) => `τ ${tauNs / 1e6} ms`)],
        rows: RATES.map((rate) => [
          rate,
          ...cells
            .filter((cell) => cell.rate === rate)
            .map(({ lost, need }) => `${lost} (${rounded(need / headroom, 2)})`),
        ]),
      },
      {
        name: 'plane',
        title: 'Writable pages: growth against eviction, and how late the driver hears of it',
        columns: ['W / E', 'tau ms', 'outcome', 'need of headroom'],
        rows,
        plotOnly: true,
        chart: {
          kind: 'plane',
          x: 'W / E',
          y: 'tau ms',
          colour: 'outcome',
          bad: ['loses data'],
          xTitle: 'growth by stores / what eviction takes off',
          yTitle: 'from the mark to the handler, ms',
          curves: [{ name: 'H = W tau + max(0, W - E s)(T - tau)', points: curve() }],
        },
      },
    ],
  };
}

export default defineProbe({
  question: 'When does a writable device lose the race against its writers?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Some cells survive and some lose data.',
      holds: (results) =>
        results.figure('cells.that_lose') > 0 &&
        results.figure('cells.that_lose') < results.figure('cells'),
    },
    {
      text: 'A cell on the wrong side of the predicted boundary is there by half a batch at most.',
      holds: (results) => results.figure('cells.wrong_side_by_pages') <= BATCH / 2,
    },
    {
      text: 'Every cell that needs 5 % less than the headroom survives; with 5 % more none does.',
      holds: (results) =>
        results.figure('boundary.least_need_that_loses') > 0.95 &&
        results.figure('boundary.most_need_that_survives') < 1.05,
    },
  ],
});
