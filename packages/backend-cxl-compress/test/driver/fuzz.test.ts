import { cram, MENDED_FOR_CRAM } from '@mm-lab/cram';
import { nodePrivate } from '@mm-lab/node-private';
import { fuzzMachine } from '@mm-lab/testkit';
import { expect, test } from 'vitest';
import { type CxlCompressOptions, cxlCompression, cxlSysram } from '../../src/index.js';
import { DEVICE } from './device-machine.js';
import { fuzzOptionsOf } from './fuzz-options.js';

interface Run {
  readonly seed: number;
  readonly steps: number;
}

/** The last two found something once: a store that hangs, a swap-in of a folio on its way. */
const RUNS: readonly Run[] = [
  ...[1, 2, 3, 4, 5].map((seed) => ({ seed, steps: 150 })),
  { seed: 164, steps: 340 },
  { seed: 165, steps: 340 },
];

test.each(RUNS)('CRAM under fuzz and interrupts loses nothing, seed $seed', (run) => {
  const reclaimFrees = run.seed % 2 === 0 ? 'v4' : 'mended';
  const guard = [
    nodePrivate({ reclaimFrees, swapIn: 'mended', sharedMaps: 'mended' }),
    cram(),
    cxlCompression({ nid: DEVICE }),
  ];
  expect(fuzzMachine({ ...fuzzOptionsOf({ ...run, guard }), mayHang: true }).steps).toBe(run.steps);
});

/** Media that fragment; what they report as used has to keep the node safe all the same. */
const MEDIA: Readonly<Record<string, Partial<CxlCompressOptions>>> = {
  'first fit': { packing: 'first-fit' },
  'first fit, blocks apart, compacted': {
    packing: 'first-fit',
    blockBytes: 1024,
    compaction: { bytesPerNs: 1 },
  },
  'size classes, compacted': { packing: [512, 1024, 2048, 4096], compaction: {} },
};

test.each(Object.entries(MEDIA))(
  'CRAM on a medium that fragments loses nothing: %s',
  (_, device) => {
    for (const seed of [1, 2]) {
      const guard = [nodePrivate(MENDED_FOR_CRAM), cram(), cxlCompression({ nid: DEVICE })];
      const options = fuzzOptionsOf({ seed, steps: 150, guard, device });
      expect(fuzzMachine({ ...options, mayHang: true }).steps).toBe(150);
    }
  },
);

test.each(RUNS)('the unguarded node may lose pages, never leak or swap them, seed $seed', (run) => {
  const options = fuzzOptionsOf({ ...run, guard: [cxlSysram({ nid: DEVICE })] });
  expect(fuzzMachine({ ...options, mayLose: true }).steps).toBe(run.steps);
});
