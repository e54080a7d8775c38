import type { FigureTable } from '../../src/experiment/figures.js';
import type { SeriesRecord } from '../../src/record/series.js';
import type { StoredRun } from '../../src/results/read-run.js';
import { orderedStats, type Results } from '../../src/results/results.js';
import type { ResolvedExperiment } from '../../src/results/run-files.js';

/** How one made-up variant behaves. */
interface Shape {
  readonly name: string;
  readonly title: string;
  readonly plugins: readonly string[];
  readonly bound?: boolean;
  readonly slowdown: number;
  readonly faultsPerSample: number;
  readonly migratesPerSample: number;
  readonly deviceMiB: number;
  readonly lost?: number;
  readonly tailNs: number;
}

const SHAPES: readonly Shape[] = [
  {
    name: 'all-dram',
    title: 'Everything fits in DRAM',
    plugins: [],
    bound: true,
    slowdown: 1,
    faultsPerSample: 2,
    migratesPerSample: 0,
    deviceMiB: 0,
    tailNs: 800,
  },
  {
    name: 'oracle',
    title: 'Placement that knows the trace',
    plugins: [],
    bound: true,
    slowdown: 1.08,
    faultsPerSample: 2,
    migratesPerSample: 0,
    deviceMiB: 0,
    tailNs: 900,
  },
  {
    name: 'zram',
    title: 'DRAM and zram swap',
    plugins: ['swap-zram'],
    slowdown: 1.7,
    faultsPerSample: 60,
    migratesPerSample: 0,
    deviceMiB: 0,
    tailNs: 7000,
  },
  {
    name: 'disk',
    title: 'DRAM and disk swap',
    plugins: ['swap-disk'],
    slowdown: 9.4,
    faultsPerSample: 80,
    migratesPerSample: 0,
    deviceMiB: 0,
    tailNs: 120_000,
  },
  {
    name: 'unguarded',
    title: 'The device as ordinary memory',
    plugins: ['cxl-compress', 'sysram-region'],
    slowdown: 1.21,
    faultsPerSample: 3,
    migratesPerSample: 30,
    deviceMiB: 13,
    lost: 41,
    tailNs: 2000,
  },
  {
    name: 'cram',
    title: 'N_MEMORY_PRIVATE and CRAM',
    plugins: ['node-private', 'cxl-compress', 'cram'],
    slowdown: 1.33,
    faultsPerSample: 20,
    migratesPerSample: 35,
    deviceMiB: 10,
    tailNs: 6000,
  },
  {
    name: 'zone-device',
    title: 'ZONE_DEVICE',
    plugins: ['zone-device'],
    slowdown: 1.52,
    faultsPerSample: 33,
    migratesPerSample: 44,
    deviceMiB: 9,
    tailNs: 9000,
  },
];

const POINTS = 240;
const DRAM_PAGES = 3072;

/** A run that never happened, with everything a report can show; the same at every call. */
export function fakeRun(): StoredRun {
  return {
    results: fakeResults(),
    experiment: fakeExperiment(),
    series: {
      variants: SHAPES.map((shape) => ({
        name: shape.name,
        series: seriesOf(shape),
        latency: {
          upperNs: [100, 250, 800, 3000, shape.tailNs],
          count: [300_000_000, 20_000_000, 40_000, 8000, 900],
        },
      })),
    },
  };
}

function fakeResults(): Results {
  return {
    experiment: 'compressed-cxl',
    question: 'What does a compressing CXL device buy, and what does each way of using it cost?',
    seed: 1,
    commit: '0123456789abcdef0123456789abcdef01234567',
    variants: SHAPES.map((shape) => ({
      name: shape.name,
      plugins: shape.plugins,
      stats: statsOf(shape),
    })),
    claims: [
      { text: 'No variant but the unguarded one loses a page.', holds: true },
      { text: 'Nothing that did not ask lands on the private node.', holds: true },
      { text: 'Totals balance: accesses are hits and faults.', holds: false },
    ],
    figures: {
      values: { 'bear.threshold': 0.42 },
      tables: [
        {
          name: 'bear',
          title: 'Pages lost over the share of pages that turn incompressible',
          columns: ['share', 'unguarded', 'cram', 'zone-device'],
          rows: [0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6].map((share) => [
            share,
            Math.max(0, Math.round((share - 0.28) * 900)),
            0,
            0,
          ]),
          chart: { x: 'share', y: ['unguarded', 'cram', 'zone-device'], yTitle: 'pages lost' },
        },
        fakePlane(),
        fakeBars(),
      ],
    },
  };
}

/** Survival over two logarithmic axes, with the curve that parts it. */
function fakePlane(): FigureTable {
  const steps = Array.from({ length: 9 }, (_, at) => 2 ** at);
  const rows = steps.flatMap((load) =>
    steps.map((delay) => [load, delay, load * delay > 500 ? 'lost' : 'safe']),
  );
  return {
    name: 'plane',
    title: 'Who survives',
    columns: ['load', 'delay', 'outcome'],
    rows,
    plotOnly: true,
    chart: {
      kind: 'plane',
      x: 'load',
      y: 'delay',
      colour: 'outcome',
      bad: ['lost'],
      xLog: true,
      yLog: true,
      curves: [{ name: 'load × delay = 500', points: steps.map((load) => [load, 500 / load]) }],
    },
  };
}

/** Bars named by two columns; one is missing. */
function fakeBars(): FigureTable {
  return {
    name: 'bars',
    title: 'What each way takes',
    columns: ['way', 'page', 'pages', 'faults'],
    rows: [
      ['store', '4 KiB', 1, 2],
      ['store', '2 MiB', 512, 2],
      ['write(2)', '4 KiB', 1, '–'],
    ],
    chart: { kind: 'bars', x: ['way', 'page'], y: ['pages', 'faults'], log: true },
  };
}

function fakeExperiment(): ResolvedExperiment {
  return {
    experiment: 'compressed-cxl',
    question: '',
    seed: 1,
    params: {},
    workload: {
      spec: { trace: 'redis-kv' },
      played: { name: 'redis-kv', rows: 637_690, accesses: 325_062_000, pages: 6011 },
    },
    variants: SHAPES.map(({ name, title, bound = false, plugins }) => ({
      name,
      title,
      kind: name === 'oracle' ? 'oracle' : 'machine',
      bound,
      machine: { seed: 1, nodes: nodesOf(name) },
      plugins,
    })),
    columns: [],
    claims: [],
    costs: [
      {
        name: 'dramLine',
        value: 100,
        unit: 'ns',
        mark: 'R',
        source: 'S20 ships it',
        meaning: 'load of a line from local DRAM',
        sweep: [80, 120],
        overridden: false,
        charged: true,
      },
    ],
  };
}

function nodesOf(name: string) {
  const dram = { id: 0, pages: name === 'all-dram' ? 8192 : DRAM_PAGES, cpus: 2 };
  const isTiered = name === 'cram' || name === 'unguarded';
  return isTiered ? [dram, { id: 1, pages: 8192, cpus: 0, lineNs: 250 }] : [dram];
}

function seriesOf(shape: Shape): SeriesRecord {
  const at = Array.from({ length: POINTS }, (_, index) => (index + 1) / POINTS);
  const runNs = 4e9 * shape.slowdown;
  const used = at.map((share) => Math.round(6011 * Math.min(1, share * 2.4)));
  const cap = shape.name === 'all-dram' ? 8192 : DRAM_PAGES;
  const wave = (index: number) => 1 + 0.5 * Math.sin(index / 9) + (index % 37 === 0 ? 2 : 0);
  const cumulated = (perSample: number) => {
    let sum = 0;
    return at.map((_, index) => {
      sum += Math.round(perSample * wave(index));
      return sum;
    });
  };
  const tiered = shape.deviceMiB > 0;
  return {
    intervalNs: runNs / POINTS,
    time: at.map((share) => Math.round(share * runNs)),
    progress: at,
    columns: {
      'node.0.used_pages': used.map((pages) => Math.min(cap, pages)),
      'node.1.used_pages': used.map((pages) => (tiered ? Math.max(0, pages - cap) : 0)),
      'device.physical_bytes': at.map((share, index) =>
        tiered
          ? Math.round(Math.min(12, shape.deviceMiB * share * wave(index) ** 0.2) * 2 ** 20)
          : 0,
      ),
      'device.capacity_bytes': at.map(() => (tiered ? 12 * 2 ** 20 : 0)),
      pressure: at.map((_, index) => (shape.name === 'cram' ? Math.round(200 * wave(index)) : 0)),
      'fault.minor': cumulated(shape.faultsPerSample),
      'fault.major': cumulated(shape.name === 'zram' || shape.name === 'disk' ? 40 : 0),
      'fault.write_protect': cumulated(shape.name === 'cram' ? 9 : 0),
      'migrate.promoted': cumulated(shape.migratesPerSample / 2),
      'migrate.demoted': cumulated(shape.migratesPerSample),
      'swap.in': cumulated(shape.name === 'zram' ? 20 : 0),
      'swap.out': cumulated(shape.name === 'zram' ? 25 : 0),
    },
  };
}

function statsOf(shape: Shape): Readonly<Record<string, number>> {
  const { slowdown } = shape;
  return orderedStats({
    'sim.accesses': 325_062_000,
    'sim.ns': 4e9 * slowdown,
    'access.ns.mean': 104 * slowdown,
    'access.ns.p50': 100,
    'access.ns.p99': 250 * slowdown,
    'access.ns.p999': 1000 * slowdown,
    'fault.minor': 6011 + shape.faultsPerSample * 20,
    'fault.major': shape.faultsPerSample > 50 ? 9000 : 0,
    'fault.write_protect': shape.name === 'cram' ? 2160 : 0,
    'migrate.promoted': shape.migratesPerSample * 120,
    'migrate.demoted': shape.migratesPerSample * 240,
    'swap.in': shape.name === 'zram' || shape.name === 'disk' ? 9000 : 0,
    'swap.out': shape.name === 'zram' || shape.name === 'disk' ? 11_000 : 0,
    'device.physical_bytes.peak': shape.deviceMiB * 2 ** 20,
    'device.physical_bytes.capacity': shape.deviceMiB > 0 ? 12 * 2 ** 20 : 0,
    'device.overflow_events': shape.lost ?? 0,
    'integrity.lost_pages': shape.lost ?? 0,
    'integrity.reads_checked': 463_596,
    'memory.saved_bytes.mean': shape.deviceMiB * 0.9 * 2 ** 20,
    'wall.seconds': 9.2,
    'wall.accesses_per_second': 35e6,
  });
}
