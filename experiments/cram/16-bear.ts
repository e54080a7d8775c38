/**
 * Row 16: the device promises more than it has, and pages turn incompressible while they are stored
 * to. Writers at a rate W against eviction at a rate E, writable and read-only. (Price: outrunning
 * the bear.)
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { bearRace, evictionRate, type Guard, SMALL } from './bear-race.ts';
import { rounded } from './kit.ts';

const GUARDS: readonly Guard[] = ['nobody', 'writable', 'writable, revoked', 'read-only'];
/** Growth by stores, in units of what eviction takes off. */
const RATES = [0.5, 1, 1.5, 2, 3];
const PAGES = 1000;
const EPISODE_NS = 1_000_000;
const TAU_NS = 200_000;

function probe(): Figures {
  const pagesPerNs = evictionRate(PAGES);
  const headroomBytes = Math.round(pagesPerNs * SMALL * (EPISODE_NS / 2));
  const ran = RATES.flatMap((rate) =>
    GUARDS.map((guard) => {
      const storesPerNs = rate * pagesPerNs;
      const episode = { tauNs: TAU_NS, headroomBytes, episodeNs: EPISODE_NS, pages: PAGES };
      return { rate, guard, result: bearRace({ guard, storesPerNs, ...episode }) };
    }),
  );
  const rows = ran.map(({ rate, guard, result }) => [
    rate,
    guard,
    Number.isFinite(result.exhaustedNs) ? Math.round(result.exhaustedNs / 1000) : '–',
    result.overflows,
    rounded(100 * result.peakShare, 1),
    result.stores,
    result.promoted,
    result.swappedOut,
  ]);
  const lostBy = (guard: Guard, rateMax = Infinity): number =>
    ran
      .filter((cell) => cell.guard === guard && cell.rate <= rateMax)
      .reduce((sum, { result }) => sum + result.overflows, 0);
  const lines = RATES.map((rate) => [
    rate,
    ...GUARDS.map(
      (guard) =>
        ran.find((cell) => cell.rate === rate && cell.guard === guard)?.result.overflows ?? 0,
    ),
  ]);
  return {
    values: {
      'eviction.pages_per_us': rounded(1000 * pagesPerNs, 3),
      'headroom.pages': Math.round(headroomBytes / SMALL),
      'nobody.lost': lostBy('nobody'),
      'writable.lost': lostBy('writable'),
      'writable.lost_up_to_E': lostBy('writable', 1),
      'revoked.lost': lostBy('writable, revoked'),
      'read_only.lost': lostBy('read-only'),
    },
    tables: [
      {
        name: 'bear',
        title: 'Pages of 2 KiB grow to 4 KiB for 1 ms; the driver hears of it after 0.2 ms',
        columns: [
          'W / E',
          'guard',
          'exhausted after µs',
          'pages lost',
          'peak % of C',
          'stores',
          'promoted',
          'swapped out',
        ],
        rows,
      },
      {
        name: 'lost',
        title: 'Pages lost by the rate of stores',
        columns: ['W / E', ...GUARDS],
        rows: lines,
        plotOnly: true,
        chart: { x: 'W / E', y: GUARDS, yTitle: 'pages lost' },
      },
    ],
  };
}

export default defineProbe({
  question: 'Writers against eviction on a device that lies: who outruns the bear?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Read-only pages lose nothing at any rate.',
      holds: (results) => results.figure('read_only.lost') === 0,
    },
    {
      text: 'Writable pages under pressure survive while stores are no faster than eviction.',
      holds: (results) =>
        results.figure('writable.lost_up_to_E') === 0 && results.figure('writable.lost') > 0,
    },
    {
      text: 'Taking the right to store back helps and does not save them.',
      holds: (results) =>
        results.figure('revoked.lost') > 0 &&
        results.figure('revoked.lost') < results.figure('writable.lost'),
    },
    {
      text: 'Nobody looking after it loses most.',
      holds: (results) => results.figure('nobody.lost') > results.figure('writable.lost'),
    },
  ],
});
