import { readdirSync, readFileSync } from 'node:fs';
import { basename, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { findCases } from '../../src/conform/find-cases.js';

const ROOT = fileURLToPath(new URL('../../../../', import.meta.url));

/** Every source file of the packages. */
function sources(): readonly string[] {
  return readdirSync(join(ROOT, 'packages')).flatMap((name) => {
    const folder = join(ROOT, 'packages', name, 'src');
    const entries = readdirSync(folder, { recursive: true, encoding: 'utf8' });
    return entries.filter((path) => path.endsWith('.ts')).map((path) => join(folder, path));
  });
}

test('no source names a case: the model knows rules, not answers', () => {
  const cases = findCases([join(ROOT, 'conformance')], { kernel: '7.3.4' });
  const ids = new Set(cases.map(({ id }) => id).filter((id) => id.includes('-')));
  const found: string[] = [];
  for (const path of sources()) {
    // A file may have the name of a case, as the kernel's has.
    const text = readFileSync(path, 'utf8').replace(/from '[^']*'/g, '');
    const words = text.match(/[\w-]+/g) ?? [];
    for (const word of words) if (ids.has(word)) found.push(`${basename(path)}: ${word}`);
  }
  expect(ids.size).toBeGreaterThan(500);
  expect(found).toEqual([]);
});
