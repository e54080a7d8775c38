/**
 * H5: freed pages wait for the flush thread. How much of the device do they hold meanwhile, over
 * the period of the thread?
 */
import { defineProbe, type Figures, type FigureTable } from '@mm-lab/lab';
import { type FreeOutcome, freeAtRate } from './free-rate.ts';
import { rounded } from './kit.ts';

const NODE_PAGES = 8192;
const RATE = 1000;
const PERIODS_MS = [125, 250, 500, 1000, 2000];
const GRACE_MS = 10;
const COMMAND_MS = 0.1;
/** Room for every free of the longest period in one buffer. */
const PAYLOAD_BYTES = 1 << 20;
/** Ranges of smaller buffers, of a payload of 512 bytes and of 2 KiB, and the periods for them. */
const RANGES = [31, 127];
const PERIODS_SMALL_MS = [250, 1000, 2000];

/** @param ranges of a buffer; 0: as many as there is room for */
function held(flush_interval_ms: number, ranges: number): FreeOutcome {
  return freeAtRate({
    burst: 1,
    pagesPerSecond: RATE,
    // Whole periods, and the pages of the last one are still to be flushed.
    runMs: Math.max(2 * flush_interval_ms, 1000) + 4 * GRACE_MS,
    driver: { flush_interval_ms, graceMs: GRACE_MS, flush_buf_size: ranges },
    device: { mailbox: { payloadBytes: PAYLOAD_BYTES } },
  });
}

function usablePercent({ limboPeak }: FreeOutcome): number {
  return rounded(100 - (100 * limboPeak) / NODE_PAGES, 1);
}

function zeroedPercent({ overflowZeroings, freed }: FreeOutcome): number {
  return rounded((100 * overflowZeroings) / freed, 1);
}

/** What is left of the node, by period and buffer. */
function usableTable(unbounded: ReadonlyMap<number, FreeOutcome>): FigureTable {
  const names = [...RANGES.map((ranges) => `${ranges} ranges`), 'room for all'];
  const rows = PERIODS_SMALL_MS.map((periodMs) => {
    const small = RANGES.map((ranges) => held(periodMs, ranges));
    const whole = unbounded.get(periodMs);
    const all = whole === undefined ? small : [...small, whole];
    return [periodMs, ...all.map(usablePercent), ...small.map(zeroedPercent)];
  });
  return {
    name: 'usable',
    title: 'Usable capacity in %, by the ranges of a buffer, and pages that the CPU zeroes at once',
    columns: ['period ms', ...names, ...RANGES.map((ranges) => `${ranges}: zeroed %`)],
    rows,
    chart: { x: 'period ms', y: names, xTitle: 'flush period, ms', yTitle: 'usable %' },
  };
}

function probe(): Figures {
  const outcomes = new Map(PERIODS_MS.map((periodMs) => [periodMs, held(periodMs, 0)]));
  const rows = [...outcomes].map(([flush_interval_ms, { limboPeak }]) => {
    const periodMs = flush_interval_ms + GRACE_MS + COMMAND_MS;
    // The frees of a period, and those of the flush that follows it.
    const bound = Math.ceil((RATE * (periodMs + GRACE_MS + COMMAND_MS)) / 1000);
    const share = rounded((100 * limboPeak) / NODE_PAGES, 1);
    return [flush_interval_ms, limboPeak, bound, rounded(limboPeak / bound, 3), share];
  });
  const usable = usableTable(outcomes);
  const small = usable.rows.map((row) => Math.min(Number(row[1]), Number(row[2])));
  const zeroed = usable.rows.flatMap((row) => [Number(row[4]), Number(row[5])]);
  const peak = (at: number): number => Number(rows[at]?.[1]);
  return {
    values: {
      'bound.largest_ratio': Math.max(...rows.map((row) => Number(row[3]))),
      'bound.smallest_ratio': Math.min(...rows.map((row) => Number(row[3]))),
      'growth.250_to_1000': peak(3) / peak(1),
      'growth.1000_to_2000': peak(4) / peak(3),
      'node_share_percent.1000': Number(rows[3]?.[4]),
      'small_buffers.usable_percent': Math.min(...small),
      'small_buffers.zeroed_percent.least': Math.min(...zeroed),
    },
    tables: [
      {
        name: 'limbo',
        title: `${RATE} pages a second are freed on a node of ${NODE_PAGES}`,
        columns: ['period ms', 'peak pages held', 'bound', 'peak / bound', '% of the node'],
        rows,
      },
      usable,
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
    {
      text: 'Small buffers hold back 2 % of the node at most; some pages the CPU zeroes at once.',
      holds: (results) =>
        results.figure('small_buffers.usable_percent') >= 98 &&
        results.figure('small_buffers.zeroed_percent.least') > 0.5,
    },
  ],
});
