import { cram } from '@mm-lab/cram';
import type { Plugin } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { everySize, type FuzzOptions, fuzzMachine } from '@mm-lab/testkit';
import { expect, test } from 'vitest';
import { cxlCompressDevice, cxlCompression, cxlSysram } from '../../src/index.js';

const LOGICAL_PAGES = 1024;

function optionsOf({ seed, steps }: Run, guard: readonly Plugin[]): FuzzOptions {
  return {
    seed,
    steps,
    nodes: [
      { id: 0, pages: 250 + ((seed * 37) % 400), cpus: 1 + (seed % 2) },
      { id: 1, pages: LOGICAL_PAGES, online: false },
      { id: 2, pages: (seed * 53) % 500, lineNs: seed % 3 === 0 ? 180 : 100 },
    ],
    plugins: [
      everySize,
      cxlCompressDevice({
        logicalPages: LOGICAL_PAGES,
        capacityBytes: 500 * 4096,
        lowFraction: 0.65,
        highFraction: 0.5,
      }),
      ...guard,
    ],
    sysctl: { demotion_enabled: true },
  };
}

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
    cxlCompression({ nid: 1 }),
  ];
  expect(fuzzMachine({ ...optionsOf(run, guard), mayHang: true }).steps).toBe(run.steps);
});

test.each(RUNS)('the unguarded node may lose pages, never leak or swap them, seed $seed', (run) => {
  const options = optionsOf(run, [cxlSysram({ nid: 1 })]);
  expect(fuzzMachine({ ...options, mayLose: true }).steps).toBe(run.steps);
});
