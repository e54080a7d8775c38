import { expect, test } from 'vitest';
import { compareExperiment } from '../../src/compare/compare-experiment.js';
import { checkClaims } from '../../src/results/check-claims.js';
import { orderedStats } from '../../src/results/results.js';

/** The claims of `mm-lab compare` on one backend that do not hold when it reported this. */
function broken(stats: Readonly<Record<string, number>>): readonly string[] {
  const { claims } = compareExperiment({ trace: 'app', backends: ['cram'], seed: 1 });
  const outcomes = [{ name: 'cram', stats: orderedStats(stats) }];
  const checked = checkClaims(claims, { outcomes, figures: undefined, isPartial: false });
  return checked.filter(({ holds }) => !holds).map(({ text }) => text);
}

test('a page that is lost breaks the claim that none is, whether or not anybody read it', () => {
  const safe = 'No guarded variant overflows the device or loses a page.';
  expect([
    broken({}),
    broken({ 'integrity.lost_pages': 1 }),
    broken({ 'integrity.lost_unread_pages': 1 }),
  ]).toEqual([[], [safe], [safe]]);
});
