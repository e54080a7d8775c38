import { expect, test } from 'vitest';
import { checkClaims } from '../../src/results/check-claims.js';

const EVIDENCE = {
  outcomes: [{ name: 'cram', stats: { 'integrity.lost_pages': 0 } }],
  figures: undefined,
  isPartial: false,
};

test('a claim is held against the statistics', () => {
  const claims = [
    { text: 'safe', holds: (r) => r.stat('cram', 'integrity.lost_pages') === 0 },
    { text: 'unsafe', holds: (r) => r.stat('cram', 'integrity.lost_pages') > 0 },
  ] satisfies Parameters<typeof checkClaims>[0];
  expect(checkClaims(claims, EVIDENCE)).toEqual([
    { text: 'safe', holds: true },
    { text: 'unsafe', holds: false },
  ]);
});

test('a claim about what nobody reported is an error, not a pass', () => {
  const typo = [
    { text: 't', holds: (r) => r.stat('cram', 'integrity.lost') === 0 },
  ] satisfies Parameters<typeof checkClaims>[0];
  expect(() => checkClaims(typo, EVIDENCE)).toThrow('variant cram reports no integrity.lost');
});

test('a run of some variants leaves out claims about the others', () => {
  const other = [{ text: 't', holds: (r) => r.stat('zram', 'swap.in') === 0 }] satisfies Parameters<
    typeof checkClaims
  >[0];
  expect(checkClaims(other, { ...EVIDENCE, isPartial: true })).toEqual([]);
});
