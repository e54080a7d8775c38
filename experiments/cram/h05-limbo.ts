/**
 * H5: freed pages wait for the flush thread. How much of the device do they hold meanwhile, over
 * the period of the thread?
 */
import { defineProbe, type Figures } from '@mm-lab/lab';
import { freeAtRate } from './free-rate.ts';
import { rounded } from './kit.ts';

const NODE_PAGES = 8192;
const RATE = 1000;
const PERIODS_MS = [125, 250, 500, 1000, 2000];
const GRACE_MS = 10;
const COMMAND_MS = 0.1;
/** Room for every free of the longest period in one buffer. */
const PAYLOAD_BYTES = 1 << 20;

function probe(): Figures {
  const rows = PERIODS_MS.map((flush_interval_ms) => {
    const outcome = freeAtRate({
      burst: 1,
      pagesPerSecond: RATE,
      // Whole periods, and the pages of the last one are still to be flushed.
      runMs: Math.max(2 * flush_interval_ms, 1000) + 4 * GRACE_MS,
      driver: { flush_interval_ms, graceMs: GRACE_MS },
      device: { mailbox: { payloadBytes: PAYLOAD_BYTES } },
    });
    const periodMs = flush_interval_ms + GRACE_MS + COMMAND_MS;
    // The frees of a period, and those of the flush that follows it.
    const bound = Math.ceil((RATE * (periodMs + GRACE_MS + COMMAND_MS)) / 1000);
    const { limboPeak } = outcome;
    const share = rounded((100 * limboPeak) / NODE_PAGES, 1);
    return [flush_interval_ms, limboPeak, bound, rounded(limboPeak / bound, 3), share];
  });
  const peak = (at: number): number => Number(rows[at]?.[1]);
  return {
    values: {
      'bound.largest_ratio': Math.max(...rows.map((row) => Number(row[3]))),
      'bound.smallest_ratio': Math.min(...rows.map((row) => Number(row[3]))),
      'growth.250_to_1000': peak(3) / peak(1),
      'growth.1000_to_2000': peak(4) / peak(3),
      'node_share_percent.1000': Number(rows[3]?.[4]),
    },
    tables: [
      {
        name: 'limbo',
        title: `${RATE} pages a second are freed on a node of ${NODE_PAGES}`,
        columns: ['period ms', 'peak pages held', 'bound', 'peak / bound', '% of the node'],
        rows,
        chart: {
          x: 'period ms',
          y: ['peak pages held', 'bound'],
          xTitle: 'flush period, ms',
          yTitle: 'pages that nobody has',
        },
      },
    ],
  };
}

export default defineProbe({
  question: 'How much capacity does the flush period hold back? (H5)',
  seed: 1,
  probe,
  claims: [
    {
      text: 'None holds more than rate × (period + grace + command), frees meanwhile included.',
      holds: (results) => results.figure('bound.largest_ratio') <= 1,
    },
    {
      text: 'The bound is met within 5 %.',
      holds: (results) => results.figure('bound.smallest_ratio') >= 0.95,
    },
    {
      text: 'What is held back grows linearly: 4 times the period within 10 %, twice within 5 %.',
      holds: (results) =>
        Math.abs(results.figure('growth.250_to_1000') / 4 - 1) < 0.1 &&
        Math.abs(results.figure('growth.1000_to_2000') / 2 - 1) < 0.05,
    },
  ],
});
