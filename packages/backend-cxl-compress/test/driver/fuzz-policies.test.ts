import {
  balloon,
  cram,
  cramSwap,
  fourPhase,
  hotPages,
  MENDED_FOR_CRAM,
  noPressure,
  pressurePolicy,
  proportional,
  rememberAndReject,
  sampledEstimate,
  tokenBucket,
  WritablePagesToken,
  writableFraction,
} from '@mm-lab/cram';
import type { Plugin } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { fuzzMachine, Peek } from '@mm-lab/testkit';
import { expect, test } from 'vitest';
import { cxlCompression } from '../../src/index.js';
import { DEVICE } from './device-machine.js';
import { CAPACITY_PAGES, fuzzOptionsOf, LOGICAL_PAGES } from './fuzz-options.js';

const STEPS = 150;

const later = (): readonly Plugin[] => [
  balloon({ zratio: (1000 * LOGICAL_PAGES) / CAPACITY_PAGES, pollNs: 200_000 }),
  pressurePolicy(noPressure),
];

/** Policies in configurations that are safe; entry stops at 65 % of the capacity. */
const POLICIES: Readonly<Record<string, () => readonly Plugin[]>> = {
  proportional: () => [
    pressurePolicy(() => proportional({ from: 0.4, to: 0.65, pollNs: 100_000 })),
  ],
  'four phases': () => [
    pressurePolicy(() =>
      fourPhase([
        { pressure: 0, until: 0.45, back: 0 },
        { pressure: 250, until: 0.55, back: 0.4 },
        { pressure: 500, until: 0.65, back: 0.5 },
        { pressure: 1000, until: 1, back: 0.6 },
      ]),
    ),
  ],
  'a writable budget': () => [writableFraction({ budgetPages: 40 })],
  'tokens of the device': () => [
    tokenBucket({ tokens: 40, periodNs: 500_000, entryBytes: 0.85 * CAPACITY_PAGES * 4096 }),
  ],
  'tokens for what comes in, too': () => [
    tokenBucket({ tokens: 60, periodNs: 500_000, entry: 'counted' }),
  ],
  'balloon and gate': later,
  'balloon and writable pages': () => [...later(), writableFraction({ budgetPages: 40 })],
  'remember and reject': () => [rememberAndReject()],
  'sampled estimate': () => [sampledEstimate()],
  'hot pages': () => [hotPages({ entries: 64 })],
  'CRAM as swap': () => [cramSwap({ reapNs: 300_000 })],
  'CRAM as swap, writable': () => [cramSwap(), writableFraction({ budgetPages: 40 })],
};

for (const [name, policy] of Object.entries(POLICIES)) {
  test.each([1, 2])(`${name} under fuzz loses nothing, seed %i`, (seed) => {
    const peek = new Peek();
    const report = fuzzMachine({
      ...fuzzOptionsOf({
        seed,
        steps: STEPS,
        guard: [
          nodePrivate(MENDED_FOR_CRAM),
          cram(),
          ...policy(),
          cxlCompression({ nid: DEVICE }),
          peek,
        ],
        device: name === 'hot pages' ? { hotPages: { epochNs: 50_000 } } : {},
      }),
      sysctl: { demotion_enabled: !name.includes('swap') },
      mayHang: true,
      isOpened: (pfn) => peek.services.get(WritablePagesToken).has(DEVICE, pfn),
    });
    expect(report.steps).toBe(STEPS);
  });
}
