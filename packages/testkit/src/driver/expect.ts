import { AssertionError, assert } from '@mm-lab/mm-core';

/** @throws AssertionError unless `condition` holds */
export function expectHolds(condition: boolean, what: string): void {
  assert(condition, what);
}

/** Compares plain data. @throws AssertionError that shows both */
export function expectEqual(found: unknown, expected: unknown, what: string): void {
  const have = JSON.stringify(found);
  const want = JSON.stringify(expected);
  if (have !== want) throw new AssertionError(`${what}: ${have}, expected ${want}`);
}
