/**
 * Row 29: a freed page is not free before the driver has scrubbed it. How long does that take, how
 * many pages wait, and how many does the CPU zero because no buffer has room?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { type FreeOutcome, freeAtRate } from './free-rate.ts';
import { rounded } from './kit.ts';

interface Case {
  readonly frees: string;
  readonly pagesPerSecond: number;
  readonly burst: number;
  readonly interval: number;
  readonly ranges: number;
}

/** Ranges of a payload of 256 B, 2 KiB and 1 MiB. */
const RANGES = [15, 127, 65_535] as const;
const STEADY = { frees: 'one by one', pagesPerSecond: 1000, burst: 1 } as const;
const BURSTS = { frees: '1000 at once', pagesPerSecond: 1000, burst: 1000 } as const;
const CASES: readonly Case[] = [
  ...RANGES.map((ranges) => ({ ...STEADY, interval: 1000, ranges })),
  ...[100, 300].map((interval) => ({ ...STEADY, interval, ranges: 65_535 })),
  ...RANGES.map((ranges) => ({ ...BURSTS, interval: 1000, ranges })),
];

function run({ pagesPerSecond, burst, interval, ranges }: Case): FreeOutcome {
  return freeAtRate({
    pagesPerSecond,
    burst,
    runMs: 3000,
    driver: { flush_interval_ms: interval, flush_buf_size: ranges },
    device: { mailbox: { payloadBytes: 1 << 20 } },
  });
}

function probe(): Figures {
  const outcomes = CASES.map(run);
  const of = (at: number, name: keyof FreeOutcome): number => outcomes[at]?.[name] ?? Number.NaN;
  const rows = CASES.map(({ frees, interval, ranges }, at) => [
    frees,
    interval,
    ranges,
    of(at, 'limboPeak'),
    of(at, 'overflowZeroings'),
    of(at, 'commands'),
    rounded(of(at, 'reuseMsMean'), 1),
    rounded(of(at, 'reuseMsMax'), 1),
  ]);
  return {
    values: {
      'steady.smallest_buffer.reuse_ms': of(0, 'reuseMsMean'),
      'steady.default_buffer.reuse_ms': of(1, 'reuseMsMean'),
      'steady.largest_buffer.reuse_ms': of(2, 'reuseMsMean'),
      'steady.default_buffer.peak': of(1, 'limboPeak'),
      'steady.largest_buffer.peak': of(2, 'limboPeak'),
      'steady.default_buffer.zeroings': of(1, 'overflowZeroings'),
      'bursts.default_buffer.zeroed_share': of(6, 'overflowZeroings') / of(6, 'freed'),
      'bursts.largest_buffer.zeroings': of(7, 'overflowZeroings'),
      lost: outcomes.reduce((sum, { lost }) => sum + lost, 0),
    },
    tables: [
      {
        name: 'flush',
        title: '1000 pages a second are freed for three seconds, on one CPU',
        chart: {
          kind: 'bars',
          x: ['freed', 'interval ms', 'ranges'],
          y: ['peak held', 'zeroed by CRAM'],
          title: 'pages',
        },
        columns: [
          'freed',
          'interval ms',
          'ranges',
          'peak held',
          'zeroed by CRAM',
          'commands',
          'mean ms to reuse',
          'longest ms',
        ],
        rows,
      },
    ],
  };
}

export default defineProbe({
  question: 'What does the flush pipeline hold back, and what does it leave to the CPU?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'A buffer that fills up is sent at once: it holds fewer pages, and for less time.',
      holds: (results) =>
        results.figure('steady.default_buffer.peak') <
          results.figure('steady.largest_buffer.peak') / 4 &&
        results.figure('steady.smallest_buffer.reuse_ms') <
          results.figure('steady.default_buffer.reuse_ms'),
    },
    {
      text: 'With room for all, a page waits half an interval on average, within 15 %.',
      holds: (results) =>
        Math.abs(results.figure('steady.largest_buffer.reuse_ms') / 500 - 1) < 0.15,
    },
    {
      text: 'A burst defeats the default buffer: CRAM zeroes more than four pages of five.',
      holds: (results) => results.figure('bursts.default_buffer.zeroed_share') > 0.8,
    },
    {
      text: 'A buffer for the whole burst leaves the CPU nothing.',
      holds: (results) => results.figure('bursts.largest_buffer.zeroings') === 0,
    },
    { text: 'No page is lost or stale.', holds: (results) => results.figure('lost') === 0 },
  ],
});
