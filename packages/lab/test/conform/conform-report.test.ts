import { expect, it } from 'vitest';
import { noteLines } from '../../src/conform/conform-report.js';
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
