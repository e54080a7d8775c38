import { isArray, isObject, type Json } from '../json.js';

/** Something that was to be so and is not. */
export interface Mismatch {
  readonly field: string;
  readonly wanted: Json | undefined;
  readonly got: Json | undefined;
}

export function mismatchOf(
  field: string,
  wanted: Json | undefined,
  got: Json | undefined,
): Mismatch {
  return { field, wanted, got };
}

/** A plain value must be equal; `in`, `ge`, `le`, `gt` say more. Lists match item by item. */
export function matches(expected: Json, got: Json | undefined): boolean {
  if (isArray(expected)) {
    if (!isArray(got) || got.length !== expected.length) return false;
    return expected.every((item, at) => matches(item, got[at]));
  }
  if (isObject(expected)) return matchesObject(expected, got);
  return expected === got;
}

function matchesObject(expected: Readonly<Record<string, Json>>, got: Json | undefined): boolean {
  const options = expected.in;
  if (isArray(options)) return options.some((item) => matches(item, got));
  if (typeof got !== 'number') return false;
  return Object.entries(expected).every(([key, bound]) => {
    if (typeof bound !== 'number') return false;
    if (key === 'ge') return got >= bound;
    if (key === 'le') return got <= bound;
    return key === 'gt' ? got > bound : key === 'lt' && got < bound;
  });
}
