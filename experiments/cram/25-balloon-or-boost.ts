/**
 * Row 25: a device that compresses worse and worse, once under v4's pressure and once under the
 * balloon of the later trees: what is evicted, how far is the device over its mark, and what does
 * the kernel believe is free? (Price, 2026-04-29 and his trees after v4)
 */
import {
  type Balloon,
  BalloonToken,
  balloon,
  bangBang,
  noPressure,
  pressurePolicy,
  proportional,
} from '@mm-lab/cram';
import { defineProbe, type Figures } from '@mm-lab/lab';
import { PAGE_SIZE, type Plugin, Prng } from '@mm-lab/mm-core';
import { bytes, type CramLab, cramLab, DEVICE, rounded, sizedPages, watch, writer } from './kit.ts';

const CAPACITY_PAGES = 1024;
/** The device promises three times what it has. */
const ZRATIO = 3000;
const DEVICE_PAGES = 3 * CAPACITY_PAGES;
const DRAM_PAGES = 1024;
const PROGRAM_PAGES = 5000;
/** Bytes of the pages that the program makes, phase by phase: 3:1, 2:1, 1:1. */
const PHASES = [1344, 2048, 4096];
const ACCESSES = 6000;
const LOW = 0.85;
const HIGH = 0.75;
const WATCH_NS = 500_000;

const CONTROLLERS: readonly (readonly [string, readonly Plugin[]])[] = [
  ['pressure 0 and 1000', [pressurePolicy(bangBang)]],
  [
    'pressure, proportional',
    [pressurePolicy(() => proportional({ from: HIGH, to: 0.95, pollNs: 100_000 }))],
  ],
  [
    'balloon and gate',
    [balloon({ zratio: ZRATIO, pollNs: 1_000_000 }), pressurePolicy(noPressure)],
  ],
];

interface Sample {
  readonly ms: number;
  readonly used: number;
  readonly buddyFree: number;
  readonly deviceFree: number;
  readonly balloon: number;
}

interface Outcome {
  readonly name: string;
  readonly samples: readonly Sample[];
  readonly steps: number;
  readonly swapped: number;
  readonly peak: number;
  readonly lie: number;
  readonly lost: number;
}

function run(name: string, plugins: readonly Plugin[], seed: number): Outcome {
  let bytesNow = PHASES[0] ?? PAGE_SIZE;
  const lab = cramLab({
    dramPages: DRAM_PAGES,
    devicePages: DEVICE_PAGES,
    capacityBytes: bytes(CAPACITY_PAGES),
    device: { lowFraction: LOW, highFraction: HIGH },
    contents: sizedPages(() => bytesNow),
    swap: { kind: 'disk', pages: 16_384 },
    plugins,
  });
  const { machine } = lab;
  const inflator = lab.services.get(BalloonToken);
  const samples: Sample[] = [];
  let pressures = 0;
  machine.tracepoints.node_pressure.on(() => pressures++);
  const stop = watch(lab, WATCH_NS, (now) => samples.push(sampleOf(lab, inflator, now, bytesNow)));
  const task = writer(machine, 'program', PROGRAM_PAGES);
  const prng = new Prng(seed);
  for (const size of PHASES) {
    bytesNow = size;
    for (let at = 0; at < ACCESSES; at++) {
      task.access(prng.below(PROGRAM_PAGES), prng.chance(0.4), 4);
    }
  }
  stop();
  machine.verify();
  const stats = machine.stats();
  const settled = samples.slice(-Math.ceil(samples.length / 6));
  const { counts } = inflator;
  return {
    name,
    samples,
    steps: name === 'balloon and gate' ? counts.attempts : pressures,
    swapped: stats['swap.out'] ?? 0,
    peak: (stats['device.physical_bytes.peak'] ?? 0) / bytes(CAPACITY_PAGES),
    lie: mean(settled.map(({ buddyFree, deviceFree }) => Math.max(0, buddyFree - deviceFree))),
    lost: stats['integrity.lost_pages'] ?? 0,
  };
}

/** What the buddy allocator would give, and what the device could hold of the pages made now. */
function sampleOf(lab: CramLab, inflator: Balloon, now: number, bytesNow: number): Sample {
  const { machine, device } = lab;
  const freeBytes = device.capacityBytes - device.usedBytes();
  return {
    ms: now / 1e6,
    used: device.usedBytes() / device.capacityBytes,
    buddyFree: machine.nodes.pgdat(DEVICE).unusedPages(),
    deviceFree: Math.floor(freeBytes / bytesNow),
    balloon: inflator.pagesOf(DEVICE),
  };
}

function mean(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / Math.max(1, values.length);
}

function probe({ seed }: { seed: number }): Figures {
  const outcomes = CONTROLLERS.map(([name, plugins]) => run(name, plugins, seed));
  const [two, graded, inflated] = outcomes;
  const samples = inflated?.samples ?? [];
  return {
    values: {
      'pressure.lie': two?.lie ?? 0,
      'balloon.lie': inflated?.lie ?? 0,
      'pressure.swapped': two?.swapped ?? 0,
      'balloon.swapped': inflated?.swapped ?? 0,
      'pressure.steps': two?.steps ?? 0,
      'graded.steps': graded?.steps ?? 0,
      'balloon.steps': inflated?.steps ?? 0,
      'peak.largest': Math.max(...outcomes.map(({ peak }) => peak)),
      lost: outcomes.reduce((sum, { lost }) => sum + lost, 0),
    },
    tables: [
      {
        name: 'controllers',
        title: 'Pages shrink to a third, then to a half, then not at all',
        columns: [
          'controller',
          'steps',
          'swapped out',
          'peak %',
          'free by buddy, not by the device',
          'pages lost',
        ],
        rows: outcomes.map(({ name, steps, swapped, peak, lie, lost }) => [
          name,
          steps,
          swapped,
          rounded(100 * peak, 1),
          Math.round(lie),
          lost,
        ]),
      },
      {
        name: 'balloon',
        title: 'The balloon, and what is free according to whom',
        columns: ['ms', 'balloon', 'free by buddy', 'free by device'],
        rows: samples.map(({ ms, balloon: pages, buddyFree, deviceFree }) => [
          rounded(ms, 1),
          pages,
          buddyFree,
          deviceFree,
        ]),
        plotOnly: true,
        chart: { x: 'ms', y: ['balloon', 'free by buddy', 'free by device'], yTitle: 'pages' },
      },
    ],
  };
}

export default defineProbe({
  question: 'Pressure or balloon: what happens while a device compresses worse and worse?',
  seed: 1,
  probe,
  claims: [
    {
      text: 'Neither loses a page.',
      holds: (results) => results.figure('lost') === 0,
    },
    {
      text: 'The balloon makes the kernel’s free pages true: half the gap of v4, or less.',
      holds: (results) => results.figure('balloon.lie') <= results.figure('pressure.lie') / 2,
    },
  ],
});
