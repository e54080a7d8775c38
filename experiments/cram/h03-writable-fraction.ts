/**
 * H3: which share of the pages on a compressing device may be stored to in place, without anybody
 * reacting, before it can lose data? (RFC v4, "Future CRAM": a tunable fraction)
 */
import { noPressure, pressurePolicy, safeWritableFraction, writableFraction } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { PAGE_SIZE } from '@mm-lab/mm-core';
import { cramLab, onDevice, pageRange, rounded, sizedPages } from './kit.ts';

const RATIOS = [1.5, 2, 3, 4];
const FILLS = [0.5, 0.7, 0.8, 0.9, 0.95];
const PAGES = 1000;
/** The device gives its medium out in pieces of this many bytes. */
const SECTOR = 64;
const SAFE = 0.98;
const UNSAFE = 1.02;

/** One device as full as `fill` with pages that shrink to 1 / `ratio`. */
interface Pair {
  readonly ratio: number;
  readonly fill: number;
  /** Bytes of a page, in whole sectors, and of the device. */
  readonly pageBytes: number;
  readonly capacityBytes: number;
}

function pairOf(ratio: number, fill: number): Pair {
  const pageBytes = Math.round(PAGE_SIZE / ratio / SECTOR) * SECTOR;
  return { ratio, fill, pageBytes, capacityBytes: Math.floor((PAGES * pageBytes) / fill) };
}

/** The bound in pages, for the sizes as they are: (C - U) / (P - s). */
function boundOf({ pageBytes, capacityBytes }: Pair): number {
  return (capacityBytes - PAGES * pageBytes) / (PAGE_SIZE - pageBytes);
}

/** Stores to every page there, all of which turn incompressible, with so many writable ones. */
function overflows(pair: Pair, writablePages: number): { overflow: number; lost: number } {
  let bytesNow = pair.pageBytes;
  const lab = cramLab({
    capacityBytes: pair.capacityBytes,
    device: { lowFraction: 0.9999, highFraction: 0.9998 },
    contents: sizedPages(() => bytesNow),
    plugins: [
      pressurePolicy(noPressure),
      writableFraction({ budgetPages: writablePages, revokeAt: null }),
    ],
  });
  const task = onDevice(lab, 'writer', PAGES);
  bytesNow = PAGE_SIZE;
  for (const vpn of pageRange(PAGES)) task.write(vpn);
  for (const vpn of pageRange(PAGES)) task.read(vpn);
  lab.machine.verify();
  const stats = lab.machine.stats();
  const overflow = stats['device.overflow_events'] ?? 0;
  return { overflow, lost: stats['integrity.lost_pages'] ?? 0 };
}

function probe(): Figures {
  const pairs = RATIOS.flatMap((ratio) => FILLS.map((fill) => pairOf(ratio, fill)));
  const rows = pairs.map((pair) => {
    const bound = boundOf(pair);
    const below = overflows(pair, Math.min(PAGES, Math.floor(SAFE * bound)));
    const above = Math.ceil(UNSAFE * bound);
    const beyond = above > PAGES ? null : overflows(pair, above);
    return [
      pair.ratio,
      pair.fill,
      rounded(safeWritableFraction(pair.fill, pair.ratio), 3),
      rounded(Math.min(1, bound / PAGES), 3),
      below.lost,
      beyond === null ? '–' : beyond.lost,
    ];
  });
  const failing = rows.filter(([, , , , , lost]) => lost !== '–');
  return {
    values: {
      pairs: rows.length,
      'below.lost': rows.reduce((sum, row) => sum + Number(row[4]), 0),
      'above.pairs': failing.length,
      'above.pairs_that_lose': failing.filter(([, , , , , lost]) => Number(lost) > 0).length,
    },
    tables: [
      {
        name: 'limit',
        title: `${PAGES} pages that all turn incompressible; nobody reacts`,
        columns: ['ratio', 'fill', 'φ*', 'φ* in sectors', 'lost at 0.98 φ*', 'lost at 1.02 φ*'],
        rows,
      },
      {
        name: 'curves',
        title: 'Largest safe writable share',
        columns: ['fill', ...RATIOS.map((ratio) => `ratio ${ratio}`)],
        rows: FILLS.map((fill) => [
          fill,
          ...RATIOS.map((ratio) => rounded(safeWritableFraction(fill, ratio), 3)),
        ]),
        plotOnly: true,
        chart: { x: 'fill', y: RATIOS.map((ratio) => `ratio ${ratio}`), yTitle: 'φ*' },
      },
    ],
  };
}

export default defineProbe({
  question: 'Which share of the pages may be stored to in place without anybody reacting?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'At 0.98 of the bound nothing is lost, in any of the 20 pairs of ratio and fill.',
      holds: (results) => results.figure('pairs') === 20 && results.figure('below.lost') === 0,
    },
    {
      text: 'At 1.02 of it data is lost in every pair where the bound is below 1: 18 of them.',
      holds: (results) =>
        results.figure('above.pairs') === 18 && results.figure('above.pairs_that_lose') === 18,
    },
  ],
});
