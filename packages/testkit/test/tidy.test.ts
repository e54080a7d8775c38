import { join } from 'node:path';
import { expect, test } from 'vitest';
import { formatFinding } from '../../../scripts/tidy/finding.ts';
import { readRepo } from '../../../scripts/tidy/repo.ts';
import { tidy } from '../../../scripts/tidy/tidy.ts';

test('the repository keeps the rules of the house', () => {
  const root = join(import.meta.dirname, '..', '..', '..');
  expect(tidy(readRepo(root)).map(formatFinding)).toEqual([]);
});
