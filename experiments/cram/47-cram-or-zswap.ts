/**
 * Row 47 and H10: CRAM against zswap on the same cold pages. A page in zswap comes back with its
 * first access; a line on the device costs a little more each time. Where do they cross, and what
 * do the two take in memory? (Price: any workload that gains from zswap gains from CRAM)
 */
import { defineProbe, type Figures, type FigureTable } from '@mm-lab/lab';
import {
  createMachine,
  diskSwap,
  MADV_PAGEOUT,
  type Machine,
  PAGE_SIZE,
  PageData,
  type Task,
  zramSwap,
} from '@mm-lab/mm-core';
import { cramLab, demote, pageRange, recordedPages, rounded, sizedPages } from './kit.ts';

const PAGES = 100;
const LINES = [1, 2, 4, 8, 16, 32, 64];
const LINES_PER_PAGE = 64;
const WRITE_SHARES = [0, 0.25, 0.5, 1];
const ADDED_NS = [150, 250, 900];
const CODECS = ['lz4', 'zstd'] as const;
const COLD_PAGES = 2000;

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
  const task = writer(lab.machine, pages);
  return { ...lab, task, cool: () => void demote(lab, task, pageRange(pages)) };
}

/** All pages in zswap, or in zram. */
function compressed(
  codec: string,
  pages: number,
  contents: PageData,
  where: 'zswap' | 'zram',
): Cold {
  const swap = { pages: 2 * pages, codec };
  const isZswap = where === 'zswap';
  const machine = createMachine(
    {
      seed: 1,
      nodes: [{ id: 0, pages: 4 * pages + 1024, cpus: 1 }],
      zswap: { enabled: isZswap, compressor: codec, max_pool_percent: 100 },
    },
    [
      { name: 'contents', register: (services) => services.bindValue(PageData, contents) },
      isZswap ? diskSwap(swap) : zramSwap(swap),
    ],
  );
  const task = writer(machine, pages);
  return { machine, task, cool: () => void task.madvise(0, pages, MADV_PAGEOUT) };
}

function writer(machine: Machine, pages: number): Task {
  const task = machine.createTask('writer');
  task.mmap(0, pages);
  for (const vpn of pageRange(pages)) task.write(vpn);
  return task;
}

/** What a visit of so many lines to each cold page costs above DRAM, in ns per page. */
function visitNs({ machine, task, cool }: Cold, lines: number, writeShare: number): number {
  cool();
  const before = machine.clock.now;
  for (const vpn of pageRange(PAGES)) {
    if (vpn < writeShare * PAGES) task.write(vpn);
    else task.read(vpn);
    if (lines > 1) task.read(vpn, lines - 1);
  }
  return (machine.clock.now - before) / PAGES - lines * 100;
}

/** The first number of lines at which CRAM costs more; more than a page has: none. */
function crossover(cram: Cold, zswapNs: number): number {
  for (let lines = 1; lines <= LINES_PER_PAGE; lines++) {
    if (visitNs(cram, lines, 0) > zswapNs) return lines;
  }
  return LINES_PER_PAGE + 1;
}

/** k* = T_in / dL of the specification, and where the model crosses. */
function crossovers(): readonly (readonly (string | number)[])[] {
  const contents = sizedPages(() => 1024);
  return CODECS.flatMap((codec) => {
    const zswapNs = visitNs(compressed(codec, PAGES, contents, 'zswap'), 1, 0);
    return ADDED_NS.map((addedNs) => {
      const at = crossover(onDevice(addedNs, PAGES, contents), zswapNs);
      const shown = at > LINES_PER_PAGE ? 'none' : at;
      return [codec, addedNs, zswapNs, rounded(zswapNs / addedNs, 1), shown];
    });
  });
}

/** Net time of a page by lines touched, at each share of pages that are stored to first. */
function byLines(): readonly (readonly number[])[] {
  const contents = sizedPages(() => 1024);
  const cram = onDevice(250, PAGES, contents);
  const zswap = compressed('lz4', PAGES, contents, 'zswap');
  return LINES.map((lines) => [
    lines,
    ...WRITE_SHARES.map((share) => Math.round(visitNs(cram, lines, share))),
    Math.round(visitNs(zswap, lines, 0)),
    Math.round(visitNs(zswap, lines, 1)),
  ]);
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

type Rows = readonly (readonly (string | number)[])[];

function tablesOf(crossing: Rows, lines: Rows, sets: Rows): readonly FigureTable[] {
  return [
    {
      name: 'crossover',
      title: 'Lines read of a cold page from which on zswap is faster',
      columns: ['codec of zswap', 'ns added per line', 'zswap ns', 'T_in / dL', 'model'],
      rows: crossing,
    },
    {
      name: 'lines',
      title: 'ns per page above DRAM: dL = 250 ns, lz4, by the share of pages stored to first',
      columns: [
        'lines',
        ...WRITE_SHARES.map((share) => `CRAM, ${100 * share} % stored`),
        'zswap, 0 % stored',
        'zswap, 100 % stored',
      ],
      rows: lines,
      chart: {
        x: 'lines',
        y: [
          'CRAM, 0 % stored',
          'CRAM, 25 % stored',
          'CRAM, 50 % stored',
          'CRAM, 100 % stored',
          'zswap, 0 % stored',
        ],
        xLog: true,
        yLog: true,
        xTitle: 'lines touched',
        yTitle: 'ns per page above DRAM',
      },
    },
    {
      name: 'cold',
      title: `${COLD_PAGES} pages of redis made cold, and one line of each read`,
      columns: [
        'way',
        'ns out per page',
        'pages held',
        'ratio',
        'DRAM pages freed',
        'faults of the reads',
        'pages copied',
        'ns in per page',
      ],
      rows: sets,
    },
  ];
}

async function probe(): Promise<Figures> {
  const crossing = crossovers();
  const lines = byLines();
  const sets = await coldSets();
  const last = lines.at(-1) ?? [];
  const first = lines[0] ?? [];
  const off = crossing.filter(([, , , predicted, at]) => {
    const bound = Number(predicted);
    return at === 'none' ? bound < LINES_PER_PAGE : Math.abs(Number(at) - bound) > 1;
  });
  return {
    values: {
      'crossovers.off_by_more_than_a_line': off.length,
      'one_line.read.cram_ns': first[1] ?? 0,
      'one_line.read.zswap_ns': first[5] ?? 0,
      'one_line.write.cram_ns': first[4] ?? 0,
      'one_line.write.zswap_ns': first[6] ?? 0,
      'whole_page.read.cram_ns': last[1] ?? 0,
      'whole_page.read.zswap_ns': last[5] ?? 0,
      'cold.cram.ratio': Number(sets[0]?.[3]),
      'cold.zswap.ratio': Number(sets[1]?.[3]),
      'cold.zram.ratio': Number(sets[3]?.[3]),
      'cold.cram.dram_freed': Number(sets[0]?.[4]),
      'cold.zswap.dram_freed': Number(sets[1]?.[4]),
    },
    tables: tablesOf(crossing, lines, sets),
  };
}

export default defineProbe({
  question: 'When is CRAM better than zswap?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Reads cross within a line of T_in / dL, for each codec and latency.',
      holds: (results) => results.figure('crossovers.off_by_more_than_a_line') === 0,
    },
    {
      text: 'One line read of a cold page costs less on CRAM than in zswap.',
      holds: (results) =>
        results.figure('one_line.read.cram_ns') < results.figure('one_line.read.zswap_ns') / 10,
    },
    {
      text: 'A page read whole costs more on CRAM.',
      holds: (results) =>
        results.figure('whole_page.read.cram_ns') > results.figure('whole_page.read.zswap_ns'),
    },
    {
      text: 'A page that is stored to costs more on CRAM from the first line on.',
      holds: (results) =>
        results.figure('one_line.write.cram_ns') > results.figure('one_line.write.zswap_ns'),
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
