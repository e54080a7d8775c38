import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { findCases } from '../../src/conform/find-cases.js';
import { compareWithGaps, readKnownGaps } from '../../src/conform/known-gaps.js';
import { runCase } from '../../src/conform/run-case.js';

const FOLDER = fileURLToPath(new URL('../../../../conformance/', import.meta.url));
/** A family takes seconds; one that fills nodes takes longer, the more so on a busy machine. */
const FAMILY_MS_MAX = 300_000;

const cases = findCases([FOLDER], { kernel: '7.3.4' });
const families = [...new Set(cases.map(({ family }) => family))].sort();
const gaps = readKnownGaps(join(FOLDER, 'known-gaps.json'));

test('every known gap is a case', () => {
  const ids = new Set(cases.flatMap(({ family, id }) => [id, `${family}/${id}`]));
  expect([...gaps.keys()].filter((id) => !ids.has(id))).toEqual([]);
});

test.for(families)(
  '%s does what the kernel was recorded doing',
  { timeout: FAMILY_MS_MAX },
  (family) => {
    const outcomes = cases.filter((found) => found.family === family).map(runCase);
    expect(compareWithGaps(outcomes, gaps)).toEqual({ unlisted: [], closed: [] });
  },
);
