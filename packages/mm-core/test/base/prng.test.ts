import { expect, test } from 'vitest';
import { Prng } from '../../src/index.js';

test('a seed gives the same numbers on every machine', () => {
  const one = new Prng(1);
  const other = new Prng(-7);
  expect({
    one: Array.from({ length: 4 }, () => one.uint32()),
    other: Array.from({ length: 4 }, () => other.uint32()),
    unit: new Prng(1).unit(),
    below: Array.from({ length: 8 }, () => one.below(10)),
  }).toMatchInlineSnapshot(`
    {
      "below": [
        4,
        7,
        1,
        9,
        9,
        6,
        2,
        4,
      ],
      "one": [
        393288148,
        2174103013,
        3814759091,
        2092745082,
      ],
      "other": [
        38332731,
        2143513836,
        14003729,
        1824042811,
      ],
      "unit": 0.09156953175513294,
    }
  `);
});

test('numbers below a bound stay there and reach both ends', () => {
  const random = new Prng(3);
  const seen = new Set(Array.from({ length: 500 }, () => random.below(7)));
  expect([...seen].sort()).toEqual([0, 1, 2, 3, 4, 5, 6]);
});

test('the mean and the share of chances are as asked', () => {
  const random = new Prng(5);
  let sum = 0;
  let hits = 0;
  for (let at = 0; at < 100_000; at++) {
    sum += random.unit();
    if (random.chance(0.3)) hits++;
  }
  expect(Math.abs(sum / 100_000 - 0.5)).toBeLessThan(0.004);
  expect(Math.abs(hits / 100_000 - 0.3)).toBeLessThan(0.006);
});

test('a fork is a stream of its own and leaves the parent alone', () => {
  const parent = new Prng(9);
  const first = parent.fork(0).uint32();
  const second = parent.fork(1).uint32();
  expect(first).not.toBe(second);
  expect(parent.fork(0).uint32()).toBe(first);
  expect(parent.uint32()).toBe(new Prng(9).uint32());
});

test('nothing can be picked from an empty list', () => {
  expect(() => new Prng(1).pick([])).toThrow('non-empty');
  expect(new Prng(1).pick(['only'])).toBe('only');
});
