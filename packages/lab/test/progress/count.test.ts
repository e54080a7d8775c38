import { expect, test } from 'vitest';
import { count } from '../../src/progress/count.js';

test('a count has three figures and the unit that they need once rounded', () => {
  expect([0, 999, 999.7, 999_600, 325_000_000, 27_100_000, 695_000].map(count)).toEqual([
    '0',
    '999',
    '1 k',
    '1 M',
    '325 M',
    '27.1 M',
    '695 k',
  ]);
});
