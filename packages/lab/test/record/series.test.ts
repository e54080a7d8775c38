import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Series } from '../../src/record/series.js';

test('a full series keeps every second sample and doubles its interval', () => {
  const series = new Series(['faults'], 4, 10);
  for (let index = 1; index <= 4; index++) series.push(index * 10, index / 6, { faults: index });
  series.push(60, 1, { faults: 6 });
  expect(series.finish()).toEqual({
    intervalNs: 20,
    time: [20, 40, 60],
    progress: [0.333333, 0.666667, 1],
    columns: { faults: [2, 4, 6] },
  });
});

test('however long the run, the points stay bounded and evenly spaced', () => {
  fc.assert(
    fc.property(fc.integer({ min: 1, max: 5000 }), fc.integer({ min: 2, max: 64 }), (ns, half) => {
      const pointsMax = 2 * half;
      const series = new Series([], pointsMax, 1);
      let now = 0;
      while (now + series.delayFrom(now) <= ns) {
        now += series.delayFrom(now);
        series.push(now, now / ns, {});
      }
      const { time, intervalNs } = series.finish();
      expect(time.length).toBeLessThan(pointsMax);
      if (ns >= pointsMax) expect(time.length).toBeGreaterThanOrEqual(half);
      for (const at of time) expect(at % intervalNs).toBe(0);
    }),
  );
});
