import { expect, test } from 'vitest';
import { bangBang, fourPhase, proportional } from '../../src/index.js';

const CAPACITY = 1000;

test('the posted driver knows two pressures', () => {
  const controller = bangBang();
  const usage = { usedBytes: 950, capacityBytes: CAPACITY };
  expect([controller.pressure('low', usage), controller.pressure('high', usage)]).toEqual([
    1000, 0,
  ]);
});

test('a proportional controller rises between its marks and keeps within 0..most', () => {
  const controller = proportional({ from: 0.5, to: 0.9, most: 900 });
  const at = (usedBytes: number): number =>
    controller.pressure('poll', { usedBytes, capacityBytes: CAPACITY });
  expect([0, 500, 600, 700, 900, 1000].map(at)).toEqual([0, 0, 225, 450, 900, 900]);
});

test('four phases tighten with each low interrupt and loosen with each high one', () => {
  const controller = fourPhase();
  const usage = { usedBytes: 0, capacityBytes: CAPACITY };
  const seen = (['poll', 'low', 'low', 'low', 'low', 'high', 'high', 'high', 'high'] as const).map(
    (cause) => [controller.pressure(cause, usage), controller.marks?.(CAPACITY)?.lowBytes],
  );
  expect(seen).toEqual([
    [0, 700],
    [250, 800],
    [500, 880],
    [1000, 1000],
    [1000, 1000],
    [500, 880],
    [250, 800],
    [0, 700],
    [0, 700],
  ]);
  expect(controller.marks?.(CAPACITY)?.highBytes).toBe(null);
});
