/**
 * H12: a demotion path does not know what compresses. What is stored on the device if everything
 * comes in, if a sample is looked at before, and if the device is asked afterwards? (zswap filters
 * page by page)
 */
import { rememberAndReject, sampledEstimate } from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { PAGE_SIZE, type PageData, type Plugin } from '@mm-lab/mm-core';
import { syntheticPages } from '@mm-lab/workloads';
import {
  bytes,
  cramLab,
  DEVICE,
  demote,
  pageRange,
  recordedPages,
  rounded,
  writer,
} from './kit.ts';

const PAGES = 1500;
/** 31 % of the cold pages do not shrink, the others to a third. */
const LOW_SHARE = 0.31;
const HIGH = 3;
/** Times that cold pages are offered. */
const ROUNDS = 3;
/** The device gives its medium out in pieces of this many bytes. */
const SECTOR = 64;
/** A page counts as incompressible from this share of its size on. */
const INCOMPRESSIBLE = 0.73;

const FILTERS: readonly (readonly [string, readonly Plugin[]])[] = [
  ['none', []],
  ['sampled estimate', [sampledEstimate()]],
  ['remember and reject', [rememberAndReject()]],
];

interface Outcome {
  readonly stored: number;
  readonly usedBytes: number;
  readonly ratio: number;
  readonly incompressible: number;
  /** Pages that would shrink and were kept out. */
  readonly missed: number;
  /** Bytes written to the device. */
  readonly written: number;
  readonly lost: number;
}

/** Every page is stored to once and offered to the node as cold, again and again. */
function run(contents: PageData, plugins: readonly Plugin[]): Outcome {
  const lab = cramLab({
    devicePages: 2048,
    capacityBytes: bytes(2048),
    contents,
    swap: { kind: 'disk', pages: 8192 },
    plugins,
  });
  const { machine, device } = lab;
  const task = writer(machine, 'cold', PAGES);
  const compressible = pageRange(PAGES).filter((vpn) => {
    const version = machine.ptes.shadow[machine.ptes.find(task.mm.id, vpn)] ?? 0;
    const key = contents.keyOf(vpn, version, 0);
    const size = key === 0 ? 0 : contents.compressedSize(key, 'lz4', PAGE_SIZE);
    return Math.ceil(size / SECTOR) * SECTOR <= limit();
  }).length;
  for (let round = 0; round < ROUNDS; round++) {
    for (let from = 0; from < PAGES; from += 32) demote(lab, task, pageRange(32, from));
  }
  const frames = pageRange(PAGES).map((vpn) => {
    const slot = machine.ptes.find(task.mm.id, vpn);
    return machine.ptes.value[slot] ?? -1;
  });
  const on = frames.filter((pfn) => pfn >= 0 && isOn(machine.nodes.pgdat(DEVICE), pfn));
  const sizes = on.map((pfn) => device.storedBytes(pfn));
  const shrunk = sizes.filter((size) => size <= limit()).length;
  for (const vpn of pageRange(PAGES)) task.read(vpn);
  machine.verify();
  const stats = machine.stats();
  const usedBytes = sizes.reduce((sum, size) => sum + size, 0);
  return {
    stored: on.length,
    usedBytes,
    ratio: (on.length * PAGE_SIZE) / Math.max(1, usedBytes),
    incompressible: on.length - shrunk,
    missed: compressible - shrunk,
    written: (stats['device.stores'] ?? 0) - (stats['device.stores.zero'] ?? 0),
    lost: stats['integrity.lost_pages'] ?? 0,
  };
}

function isOn(
  { base, spannedPages }: { base: number; spannedPages: number },
  pfn: number,
): boolean {
  return pfn >= base && pfn < base + spannedPages;
}

function limit(): number {
  return INCOMPRESSIBLE * PAGE_SIZE;
}

async function probe(): Promise<Figures> {
  const bimodal = { kind: 'bimodal', low: 1, high: HIGH, lowShare: LOW_SHARE } as const;
  const made = syntheticPages({ seed: 1, ratio: bimodal });
  const redis = await recordedPages('redis-kv');
  const rows = [
    ...FILTERS.map(([name, plugins]) => ({ of: 'made', name, ...run(made, plugins) })),
    ...FILTERS.map(([name, plugins]) => ({ of: 'redis', name, ...run(redis, plugins) })),
  ];
  const [none, sampled, remembered] = rows;
  return {
    values: {
      'made.closed_form': 1 / (LOW_SHARE + (1 - LOW_SHARE) / HIGH),
      'made.none.ratio': none?.ratio ?? 0,
      'made.sampled.ratio': sampled?.ratio ?? 0,
      'made.remembered.ratio': remembered?.ratio ?? 0,
      'made.remembered.missed': remembered?.missed ?? -1,
      'made.sampled.missed': sampled?.missed ?? -1,
      'made.good': sampled === undefined ? -1 : sampled.missed + sampled.stored,
      'redis.none.ratio': rows[3]?.ratio ?? 0,
      'redis.sampled.ratio': rows[4]?.ratio ?? 0,
      'redis.remembered.ratio': rows[5]?.ratio ?? 0,
      lost: rows.reduce((sum, { lost }) => sum + lost, 0),
    },
    tables: [
      {
        name: 'admission',
        title: `${PAGES} cold pages offered ${ROUNDS} times; lz4`,
        chart: {
          kind: 'bars',
          x: ['contents', 'filter'],
          y: ['ratio of what is stored'],
          title: 'ratio',
        },
        columns: [
          'contents',
          'filter',
          'stored',
          'ratio of what is stored',
          'incompressible stored',
          'compressible kept out',
          'pages written to the device',
        ],
        rows: rows.map((one) => [
          one.of === 'made' ? '31 % at 1:1, rest 3:1' : 'redis, recorded',
          one.name,
          one.stored,
          rounded(one.ratio, 2),
          one.incompressible,
          one.missed,
          one.written,
        ]),
      },
    ],
  };
}

export default defineProbe({
  question: 'What does a filter at the door of a compressing device come to?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'With everything admitted the ratio is that of the closed form, 1.85, within 5 %.',
      holds: (results) => {
        const form = results.figure('made.closed_form');
        return Math.abs(results.figure('made.none.ratio') - form) < 0.05 * form;
      },
    },
    {
      text: 'Asking the device afterwards keeps 3:1 on what is stored and no good page out.',
      holds: (results) =>
        results.figure('made.remembered.ratio') > 0.95 * HIGH &&
        results.figure('made.remembered.missed') === 0,
    },
    {
      text: 'On recorded pages a sample is nearly as good as asking: within 5 % of its ratio.',
      holds: (results) => {
        const asked = results.figure('redis.remembered.ratio');
        return Math.abs(results.figure('redis.sampled.ratio') - asked) < 0.05 * asked;
      },
    },
    {
      text: 'A sample of bytes sees no repeats: made pages, noise that repeats, it keeps all out.',
      holds: (results) => results.figure('made.sampled.missed') === results.figure('made.good'),
    },
    {
      text: 'No filter loses a page.',
      holds: (results) => results.figure('lost') === 0,
    },
  ],
});
