import { listTrace } from '@mm-lab/workloads';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { oraclePlacement } from '../../src/record/oracle.js';

const CONFIG = { nearPages: 2, nearLineNs: 100, farLineNs: 250, copyNs: 500 };

test('memory that holds every page costs nothing', () => {
  const trace = listTrace([1, 2, 1, 2, 2, 1]);
  expect(oraclePlacement(trace, CONFIG)).toMatchObject({ extraNs: 0, promoted: 0, demoted: 0 });
});

test('a page is brought near only where that is cheaper than reaching for it', () => {
  // Page 3 is used once: it stays far, and 1 and 2 stay near.
  const trace = listTrace([1, 2, 1, 3, 2, 1, 2]);
  expect(oraclePlacement(trace, CONFIG)).toMatchObject({ extraNs: 150, promoted: 0 });
});

test('the oracle is never worse than leaving everything that does not fit far', () => {
  const pages = fc.array(fc.integer({ min: 1, max: 12 }), { minLength: 1, maxLength: 200 });
  fc.assert(
    fc.property(pages, fc.integer({ min: 1, max: 8 }), (vpns, nearPages) => {
      const trace = listTrace(vpns);
      const { extraNs } = oraclePlacement(trace, { ...CONFIG, nearPages });
      const counts = new Map<number, number>();
      for (const vpn of vpns) counts.set(vpn, (counts.get(vpn) ?? 0) + 1);
      const hottestFirst = [...counts.values()].sort((a, b) => b - a);
      const far = hottestFirst.slice(nearPages).reduce((sum, count) => sum + count, 0);
      expect(extraNs).toBeLessThanOrEqual(far * 150);
    }),
  );
});
