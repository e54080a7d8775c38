import { cram, MENDED_FOR_CRAM } from '@mm-lab/cram';
import { nodePrivate } from '@mm-lab/node-private';
import { type FuzzOperation, type FuzzReport, fuzzMachine } from '@mm-lab/testkit';
import { expect, test } from 'vitest';
import { type CxlCompressOptions, cxlCompression, cxlSysram } from '../../src/index.js';
import { DEVICE } from './device-machine.js';
import { DEMOTE, fuzzOptionsOf } from './fuzz-options.js';

interface Run {
  readonly seed: number;
  readonly steps: number;
}

const STORED = ['device.logical_pages', 'device.interrupts.low'];

const RUNS: readonly Run[] = [
  ...[1, 2, 3, 4, 5].map((seed) => ({ seed, steps: 150 })),
  { seed: 164, steps: 340 },
];

/** A page that is lost and never read again is not missed by the fuzzer's model. */
const NONE = { unread: 0, overflows: 0 };

function unseenLosses({ stats }: FuzzReport): Readonly<Record<keyof typeof NONE, number>> {
  return {
    unread: stats['integrity.lost_unread_pages'] ?? 0,
    overflows: stats['device.overflow_events'] ?? 0,
  };
}

test.each(RUNS)('CRAM under fuzz and interrupts loses nothing, seed $seed', (run) => {
  const reclaimFrees = run.seed % 2 === 0 ? 'v4' : 'mended';
  const guard = [
    nodePrivate({ reclaimFrees, swapIn: 'mended', sharedMaps: 'mended' }),
    cram(),
    cxlCompression({ nid: DEVICE }),
  ];
  const report = fuzzMachine({ ...fuzzOptionsOf({ ...run, guard }), mayHang: true });
  expect({ steps: report.steps, ...unseenLosses(report) }).toEqual({ steps: run.steps, ...NONE });
});

/**
 * Media that fragment, and what each has to meet here. Too little of them is filled to make their
 * holes matter: fragmentation.test.ts does.
 */
const MEDIA: readonly (readonly [string, Partial<CxlCompressOptions>, readonly string[]])[] = [
  ['first fit', { packing: 'first-fit' }, ['device.fragmentation_bytes']],
  [
    'first fit, blocks apart, compacted',
    { packing: 'first-fit', blockBytes: 1024, compaction: { bytesPerNs: 1 } },
    [],
  ],
  [
    'size classes, compacted',
    { packing: [512, 1024, 2048, 4096], compaction: {} },
    ['device.fragmentation_bytes', 'device.compactions'],
  ],
];

test.each(MEDIA)('CRAM on a medium that fragments loses nothing: %s', (_, packing, met) => {
  const most = new Map<string, number>();
  const note = (stats: Readonly<Record<string, number>>): void => {
    for (const name of [...STORED, ...met]) {
      most.set(name, Math.max(most.get(name) ?? 0, stats[name] ?? 0));
    }
  };
  const demote: FuzzOperation = {
    ...DEMOTE,
    run(world, model) {
      const said = DEMOTE.run(world, model);
      note(world.machine.stats());
      return said;
    },
  };
  for (const seed of [2, 8, 10, 11, 14]) {
    const guard = [nodePrivate(MENDED_FOR_CRAM), cram(), cxlCompression({ nid: DEVICE })];
    const device = { ...packing, lowFraction: 0.1, highFraction: 0.05 };
    const options = fuzzOptionsOf({ seed, steps: 300, guard, device });
    const report = fuzzMachine({ ...options, operations: [demote], mayHang: true });
    note(report.stats);
    expect({ steps: report.steps, ...unseenLosses(report) }).toEqual({ steps: 300, ...NONE });
  }
  expect([...most].filter(([, count]) => count === 0)).toEqual([]);
});

test.each(RUNS)('the unguarded node may lose pages, never leak or swap them, seed $seed', (run) => {
  const options = fuzzOptionsOf({ ...run, guard: [cxlSysram({ nid: DEVICE })] });
  expect(fuzzMachine({ ...options, mayLose: true }).steps).toBe(run.steps);
});
