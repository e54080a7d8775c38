import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { ConformCase } from '../../src/conform/conform-case.js';
import { findCases } from '../../src/conform/find-cases.js';
import { compareWithGaps, readKnownGaps } from '../../src/conform/known-gaps.js';
import { runCase } from '../../src/conform/run-case.js';

/** The cases of the repository. */
export const CONFORMANCE = fileURLToPath(new URL('../../../../conformance/', import.meta.url));

/** A family takes seconds; one that fills nodes takes longer, the more so on a busy machine. */
const FAMILY_MS_MAX = 300_000;

/** Runs one half of the set, a test for each family, and holds it to the known gaps. */
export function checkFamilies(isWanted: (found: ConformCase) => boolean): void {
  const cases = findCases([CONFORMANCE], { kernel: '7.3.4' }).filter(isWanted);
  const gaps = readKnownGaps(join(CONFORMANCE, 'known-gaps.json'));
  const families = [...new Set(cases.map(({ family }) => family))].sort();
  test.for(families)('%s', { timeout: FAMILY_MS_MAX }, (family) => {
    const outcomes = cases.filter((found) => found.family === family).map(runCase);
    expect(compareWithGaps(outcomes, gaps)).toEqual({ unlisted: [], closed: [] });
  });
}
