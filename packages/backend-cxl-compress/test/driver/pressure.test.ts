import { fourPhase, type PressureController, pressurePolicy, proportional } from '@mm-lab/cram';
import type { Plugin } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { integrityOf, runUnder, SAFE } from './policy-run.js';

const POLICIES: Readonly<Record<string, readonly Plugin[]>> = {
  'bang-bang, the default': [],
  proportional: [pressurePolicy(() => proportional({ from: 0.4, to: 0.7, pollNs: 100_000 }))],
  'four-phase': [
    pressurePolicy(() =>
      fourPhase([
        { pressure: 0, until: 0.5, back: 0 },
        { pressure: 250, until: 0.55, back: 0.45 },
        { pressure: 500, until: 0.6, back: 0.5 },
        { pressure: 1000, until: 1, back: 0.55 },
      ]),
    ),
  ],
};

for (const [name, policy] of Object.entries(POLICIES)) {
  test.for([1, 2])(`${name} loses nothing, seed %i`, (seed) => {
    const machine = runUnder({ policy, seed });
    expect(integrityOf(machine)).toEqual(SAFE);
    expect(machine.stats()['cram.promotions']).toBeGreaterThan(0);
  });
}

test('a controller of somebody else takes a few lines', () => {
  const heard: string[] = [];
  const mine: PressureController = {
    pollNs: 0,
    pressure(cause) {
      heard.push(cause);
      return cause === 'low' ? 1000 : 400;
    },
  };
  expect(integrityOf(runUnder({ policy: [pressurePolicy(() => mine)], seed: 1 }))).toEqual(SAFE);
  expect(heard[0]).toBe('low');
});
