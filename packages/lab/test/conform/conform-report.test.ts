import { expect, it } from 'vitest';
import { freshLine, freshPasses, noteLines } from '../../src/conform/conform-report.js';
import type { Outcome } from '../../src/conform/outcome.js';

function passed(...notes: string[]): Outcome {
  return { id: 'a', family: 'f', verdict: 'passed', notes, findings: [], steps: [], ms: 0 };
}

it('counts the cases that took something from their own record', () => {
  expect(noteLines([passed('the reserve'), passed(), passed('the reserve', 'a pool')])).toEqual([
    'noted: the reserve: 2',
    'noted: a pool: 1',
  ]);
  expect(noteLines([passed()])).toEqual([]);
});

it('counts apart the passed that needed nothing but a fresh boot', () => {
  const failed: Outcome = { ...passed(), verdict: 'failed' };
  const skipped: Outcome = { ...passed(), verdict: 'skipped' };
  const outcomes = [
    passed(),
    passed('the reserve'),
    passed('the reserve', 'a pool'),
    failed,
    skipped,
  ];
  expect(freshPasses(outcomes)).toBe(1);
  expect(freshLine(outcomes)).toBe(
    'of the passed, 1 on a fresh boot alone, with nothing read from their record',
  );
});
