import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { SITE_FACTS } from '../src/index.js';

const SOURCES = join(import.meta.dirname, '../src');

/** Names that the sources look up, each time they do. */
function lookups(): string[] {
  return readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .flatMap((path) => {
      const text = readFileSync(join(SOURCES, path), 'utf8');
      return [...text.matchAll(/Sites\.index\('([^']+)'\)/g)].map((match) => match[1] ?? '');
    });
}

test('every site of the registry is asked from exactly one place, and no other name is', () => {
  expect(lookups().sort()).toEqual(Object.keys(SITE_FACTS).sort());
});
