/**
 * Row 47 and H10: CRAM against zswap under one program. A page in zswap comes back with its first
 * access; a line on the device costs a little more each time. Where do they cross, by the lines of
 * a visit and by how many visits store, against the closed form with published times? And what do
 * the two take in memory? (Price: any workload that gains from zswap gains from CRAM)
 */
import { defineProbe, type Figures, type FigureTable } from '@mm-lab/lab';
import { MADV_PAGEOUT, type Machine, PAGE_SIZE, type PageData, type Task } from '@mm-lab/mm-core';
import { type Tier, visitNs } from './cold-visits.ts';
import {
  type CompressedSwap,
  compressedSwap,
  cramLab,
  demote,
  pageRange,
  recordedPages,
  rounded,
  writer,
} from './kit.ts';

const LINES = [1, 2, 4, 8, 16, 32, 64];
const WRITE_SHARES = [0, 0.5, 1];
const ADDED_NS = [150, 250, 900];
const CODECS = ['lz4', 'zstd-3'] as const;
/** T_in of the cost model by codec, and T_out, in ns (S15). */
const PUBLISHED = { lz4: { inNs: 3250, outNs: 5330 }, 'zstd-3': { inNs: 6480, outNs: 13_110 } };
/** The first store to a page on the device: 5 to 6 us (cost model 1.5). */
const PROMOTION_NS = 5500;
const COLD_PAGES = 2000;
const LINES_PER_PAGE = 64;

/** Pages of one task that can be made cold again and again. */
interface Cold {
  readonly machine: Machine;
  readonly task: Task;
  readonly cool: () => void;
}

/** All pages on the device, one line of which costs so much more than in DRAM. */
function onDevice(addedNs: number, pages: number, contents: PageData): Cold {
  const device = { lineNs: 100 + addedNs };
  const lab = cramLab({ contents, device, dramPages: 4 * pages, devicePages: 2 * pages });
  const task = writer(lab.machine, 'writer', pages);
  return { ...lab, task, cool: () => void demote(lab, task, pageRange(pages)) };
}

/** All pages in zswap, or in zram. */
function compressed(
  codec: string,
  pages: number,
  contents: PageData,
  where: CompressedSwap['kind'],
): Cold {
  const machine = compressedSwap({
    kind: where,
    codec,
    contents,
    dramPages: 4 * pages + 1024,
    swapPages: 2 * pages,
  });
  const task = writer(machine, 'writer', pages);
  return { machine, task, cool: () => void task.madvise(0, pages, MADV_PAGEOUT) };
}

/** What visits cost by lines: nanoseconds at each of `LINES`. */
type Costs = readonly number[];

interface Crossing {
  readonly codec: (typeof CODECS)[number];
  readonly addedNs: number;
  /** Lines from which zswap is the faster one, between two that were run; Infinity: none. */
  readonly lines: number;
}

function costs(tier: Tier, writeShare: number): Costs {
  return LINES.map((lines) => visitNs(tier, { lines, writeShare }));
}

/** Where two curves over `LINES` cross, by straight lines between the points. */
function crossing(cram: Costs, zswap: Costs): number {
  for (let at = 1; at < LINES.length; at++) {
    const before = (cram[at - 1] ?? 0) - (zswap[at - 1] ?? 0);
    const after = (cram[at] ?? 0) - (zswap[at] ?? 0);
    const [from = 0, to = 0] = LINES.slice(at - 1, at + 1);
    if (before <= 0 && after > 0) return from + ((to - from) * -before) / (after - before);
  }
  return Infinity;
}

/** Lines that H10 has, the way in alone; and with the way out, which a program pays too. */
function predicted(codec: (typeof CODECS)[number], addedNs: number) {
  const { inNs, outNs } = PUBLISHED[codec];
  return { wayIn: inNs / addedNs, bothWays: (inNs + outNs) / addedNs };
}

function crossings(
  cram: ReadonlyMap<number, Costs>,
  zswap: ReadonlyMap<string, Costs>,
): readonly Crossing[] {
  return CODECS.flatMap((codec) =>
    ADDED_NS.map((addedNs) => {
      const lines = crossing(cram.get(addedNs) ?? [], zswap.get(codec) ?? []);
      return { codec, addedNs, lines };
    }),
  );
}

/** The boundary at 250 ns a line: (1 - w) k dL + w T_w = what zswap takes. */
function boundary(zswapNs: number): readonly (readonly number[])[] {
  return Array.from({ length: 41 }, (_, at) => {
    const share = at / 40;
    const left = zswapNs - share * PROMOTION_NS;
    const lines = left / ((1 - share) * 250);
    return [lines, share];
  }).filter(([lines = 0]) => lines >= 1 && lines <= 64);
}

/** The same cold pages of a real program, made cold once and read once. */
function coldSet(name: string, cold: Cold): readonly (string | number)[] {
  const { machine, task, cool } = cold;
  const { clock } = machine;
  const begin = clock.now;
  const usedBefore = machine.usedPages(0);
  cool();
  const outNs = (clock.now - begin) / COLD_PAGES;
  const freed = usedBefore - machine.usedPages(0);
  const stats = machine.stats();
  const zram = stats['zram.pool_pages'] ?? 0;
  const pool = (stats['zswap.pool_total_size'] ?? 0) / PAGE_SIZE + zram;
  const held = Math.ceil((stats['device.physical_bytes'] ?? 0) / PAGE_SIZE) + pool;
  const before = clock.now;
  for (const vpn of pageRange(COLD_PAGES)) task.read(vpn);
  const after = machine.stats();
  const faults = (after['fault.major'] ?? 0) + (after['fault.minor'] ?? 0) - COLD_PAGES;
  const readNs = (clock.now - before) / COLD_PAGES;
  const copies = COLD_PAGES + faults;
  machine.verify();
  const ratio = rounded(COLD_PAGES / held, 2);
  return [name, Math.round(outNs), held, ratio, freed, faults, copies, Math.round(readNs)];
}

async function coldSets(): Promise<readonly (readonly (string | number)[])[]> {
  const contents = await recordedPages('redis-kv');
  return [
    coldSet('CRAM, lz4 device', onDevice(150, COLD_PAGES, contents)),
    coldSet('zswap, lz4', compressed('lz4', COLD_PAGES, contents, 'zswap')),
    coldSet('zswap, zstd', compressed('zstd-3', COLD_PAGES, contents, 'zswap')),
    coldSet('zram, lz4', compressed('lz4', COLD_PAGES, contents, 'zram')),
  ];
}

function crossingRow({ codec, addedNs, lines }: Crossing): readonly (string | number)[] {
  const { wayIn, bothWays } = predicted(codec, addedNs);
  const shown = Number.isFinite(lines) ? rounded(lines, 1) : 'none';
  return [codec, addedNs, rounded(wayIn, 1), rounded(bothWays, 1), shown];
}

function linesTable(byShare: readonly Costs[], zswap: Costs): FigureTable {
  const names = WRITE_SHARES.map((share) => `CRAM, ${100 * share} % stored`);
  return {
    name: 'lines',
    title: 'ns of a visit above DRAM: dL = 250 ns, lz4, by the share of visits that store first',
    columns: ['lines', ...names, 'zswap'],
    rows: LINES.map((lines, at) => [
      lines,
      ...byShare.map((each) => Math.round(each[at] ?? 0)),
      Math.round(zswap[at] ?? 0),
    ]),
    chart: {
      x: 'lines',
      y: [...names, 'zswap'],
      xTitle: 'lines touched in a visit',
      yTitle: 'ns of a visit above DRAM',
    },
  };
}

function planeTable(byShare: readonly Costs[], zswap: Costs): FigureTable {
  const { lz4 } = PUBLISHED;
  return {
    name: 'plane',
    title: 'Which one is faster, by lines touched and share of visits that store',
    columns: ['lines', 'stores', 'faster'],
    rows: byShare.flatMap((each, share) =>
      LINES.map((lines, at) => {
        const isCram = (each[at] ?? 0) < (zswap[at] ?? 0);
        return [lines, WRITE_SHARES[share] ?? 0, isCram ? 'CRAM' : 'zswap'];
      }),
    ),
    plotOnly: true,
    chart: {
      kind: 'plane',
      x: 'lines',
      y: 'stores',
      colour: 'faster',
      bad: ['zswap'],
      xLog: true,
      xTitle: 'lines touched in a visit',
      yTitle: 'share of visits that store first',
      curves: [
        { name: 'H10: (1 - w) k dL + w T_w = T_in', points: boundary(lz4.inNs) },
        { name: '… = T_in + T_out', points: boundary(lz4.inNs + lz4.outNs) },
      ],
    },
  };
}

const COLD_COLUMNS = [
  'way',
  'ns out per page',
  'pages held',
  'ratio',
  'DRAM pages freed',
  'faults of the reads',
  'pages copied',
  'ns in per page',
];

async function probe(): Promise<Figures> {
  const byShare = WRITE_SHARES.map((share) => costs({ kind: 'cram', addedNs: 250 }, share));
  const reads = new Map(
    ADDED_NS.map((addedNs) => {
      const known = addedNs === 250 ? byShare[0] : undefined;
      return [addedNs, known ?? costs({ kind: 'cram', addedNs }, 0)];
    }),
  );
  const zswap = new Map(CODECS.map((codec) => [codec, costs({ kind: 'zswap', codec }, 0)]));
  const lz4 = zswap.get('lz4') ?? [];
  const found = crossings(reads, zswap);
  const sets = await coldSets();
  const later = found.filter(
    ({ codec, addedNs, lines }) => lines > predicted(codec, addedNs).wayIn,
  );
  const near = found.filter(({ codec, addedNs, lines }) => {
    const { bothWays } = predicted(codec, addedNs);
    if (!Number.isFinite(lines)) return bothWays > LINES_PER_PAGE;
    return Math.abs(lines / bothWays - 1) < 0.5;
  });
  const at250 = found.find(({ codec, addedNs }) => codec === 'lz4' && addedNs === 250);
  return {
    values: {
      'crossings.later_than_h10': later.length,
      'crossings.near_both_ways': near.length,
      'crossing.lz4.250.lines': Math.min(LINES_PER_PAGE + 1, at250?.lines ?? 0),
      'one_line.read.cram_ns': byShare[0]?.[0] ?? 0,
      'one_line.write.cram_ns': byShare.at(-1)?.[0] ?? 0,
      'one_line.zswap_ns': lz4[0] ?? 0,
      'whole_page.read.cram_ns': byShare[0]?.at(-1) ?? 0,
      'whole_page.zswap_ns': lz4.at(-1) ?? 0,
      'cold.cram.ratio': Number(sets[0]?.[3]),
      'cold.zswap.ratio': Number(sets[1]?.[3]),
      'cold.zram.ratio': Number(sets[3]?.[3]),
      'cold.cram.dram_freed': Number(sets[0]?.[4]),
      'cold.zswap.dram_freed': Number(sets[1]?.[4]),
    },
    tables: [
      {
        name: 'crossover',
        title: 'Lines read in a visit to a cold page from which on zswap is faster',
        columns: [
          'codec of zswap',
          'ns added per line',
          'T_in / dL',
          '(T_in + T_out) / dL',
          'model',
        ],
        rows: found.map(crossingRow),
      },
      linesTable(byShare, lz4),
      planeTable(byShare, lz4),
      {
        name: 'cold',
        title: `${COLD_PAGES} pages of redis made cold, and one line of each read`,
        columns: COLD_COLUMNS,
        rows: sets,
      },
    ],
  };
}

export default defineProbe({
  question: 'When is CRAM better than zswap?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Reads cross later than T_in / dL in every setting: H10 forgets the way out.',
      holds: (results) =>
        results.figure('crossings.later_than_h10') === CODECS.length * ADDED_NS.length,
    },
    {
      text: 'With the way out, published times meet it to a half, or no page is long enough.',
      holds: (results) =>
        results.figure('crossings.near_both_ways') === CODECS.length * ADDED_NS.length,
    },
    {
      text: 'A visit of one line is cheaper on CRAM, to read and to store.',
      holds: (results) =>
        results.figure('one_line.read.cram_ns') < results.figure('one_line.zswap_ns') / 5 &&
        results.figure('one_line.write.cram_ns') < results.figure('one_line.zswap_ns'),
    },
    {
      text: 'Whole pages that are only read are cheaper in zswap.',
      holds: (results) =>
        results.figure('whole_page.read.cram_ns') > results.figure('whole_page.zswap_ns'),
    },
    {
      text: 'CRAM frees every frame of DRAM; zswap keeps its pool there.',
      holds: (results) =>
        results.figure('cold.cram.dram_freed') === COLD_PAGES &&
        results.figure('cold.zswap.dram_freed') < 0.7 * COLD_PAGES,
    },
    {
      text: 'With one codec the device holds the pages in less than zswap and zram: size classes.',
      holds: (results) =>
        results.figure('cold.cram.ratio') > results.figure('cold.zswap.ratio') &&
        results.figure('cold.cram.ratio') > results.figure('cold.zram.ratio'),
    },
  ],
});
