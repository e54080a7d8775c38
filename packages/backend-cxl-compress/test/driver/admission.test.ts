import { rememberAndReject, sampledEstimate } from '@mm-lab/cram';
import { expect, test } from 'vitest';
import { integrityOf, runUnder, SAFE } from './policy-run.js';

test.for([1, 2])('what did not shrink is sent on and does not come in again, seed %i', (seed) => {
  const machine = runUnder({ policy: [rememberAndReject()], seed });
  const stats = machine.stats();
  expect(integrityOf(machine)).toEqual(SAFE);
  expect(stats['cram.expelled']).toBeGreaterThan(0);
  expect(stats['cram.rejected']).toBeGreaterThan(0);
});

test('a sampled estimate loses nothing', () => {
  const machine = runUnder({ policy: [sampledEstimate()], seed: 1 });
  expect(integrityOf(machine)).toEqual(SAFE);
  expect(machine.stats()['cram.admitted']).toBeGreaterThan(0);
});
