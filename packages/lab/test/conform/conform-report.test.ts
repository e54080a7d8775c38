import { expect, it } from 'vitest';
import { noteLines } from '../../src/conform/conform-report.js';
import type { Outcome } from '../../src/conform/outcome.js';

function passed(note?: string): Outcome {
  const outcome = { id: 'a', family: 'f', findings: [], steps: [], ms: 0 } as const;
  return { ...outcome, verdict: 'passed', ...(note === undefined ? {} : { note }) };
}

it('counts the cases that took something from their own record', () => {
  expect(noteLines([passed('the reserve'), passed(), passed('the reserve')])).toEqual([
    'noted: the reserve: 2',
  ]);
  expect(noteLines([passed()])).toEqual([]);
});
