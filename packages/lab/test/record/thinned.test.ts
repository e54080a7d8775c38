import { expect, test } from 'vitest';
import { Thinned } from '../../src/record/thinned.js';

test('a full list keeps one event in 2, then in 4, spread over the whole run', () => {
  const thinned = new Thinned<number>(4);
  for (let event = 0; event < 16; event++) thinned.push(event);
  expect([thinned.kept, thinned.stride, thinned.seen]).toEqual([[0, 4, 8, 12], 4, 16]);
});

test('a short list is kept whole', () => {
  const thinned = new Thinned<number>(4);
  for (let event = 0; event < 4; event++) thinned.push(event);
  expect([thinned.kept, thinned.stride]).toEqual([[0, 1, 2, 3], 1]);
});
