import { listTrace, workingSetCurve } from '@mm-lab/workloads';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';

describe('workingSetCurve', () => {
  test('equals the mean number of pages in a window that slides over every moment', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(8), { minLength: 1, maxLength: 60 }), (pages) => {
        for (const { window, pages: mean } of workingSetCurve(listTrace(pages))) {
          let sum = 0;
          for (let now = 0; now < pages.length; now++) {
            sum += new Set(pages.slice(Math.max(0, now - window + 1), now + 1)).size;
          }
          expect(mean).toBeCloseTo(sum / pages.length, 9);
        }
      }),
    );
  });

  test('ends at the whole length of the trace', () => {
    expect(workingSetCurve(listTrace([1, 2, 1, 3, 3])).map(({ window }) => window)).toEqual([
      1, 2, 4, 5,
    ]);
  });
});
