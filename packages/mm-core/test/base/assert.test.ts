import { expect, test } from 'vitest';
import { AssertionError, assert, defined } from '../../src/index.js';

test('a broken invariant throws its sentence', () => {
  expect(() => assert(false, 'water is wet')).toThrow(new AssertionError('water is wet'));
  expect(() => assert(true, 'water is wet')).not.toThrow();
});

test('what must be there is handed on, falsy or not', () => {
  expect([defined(0, 'zero'), defined('', 'empty'), defined(false, 'no')]).toEqual([0, '', false]);
  expect(() => defined(null, 'a value')).toThrow('a value');
  expect(() => defined(undefined, 'a value')).toThrow('a value');
});
