import { expect, test } from 'vitest';
import { paramsWith } from '../../src/run/figure-runner.js';

test('a parameter is changed only where the experiment declares it', () => {
  expect(paramsWith({ pages: 1, rows: 2 }, { rows: 3 })).toEqual({ pages: 1, rows: 3 });
  for (const name of ['page', 'toString']) {
    expect(() => paramsWith({ pages: 1 }, { [name]: 2 })).toThrow(`no parameter ${name}`);
  }
});
