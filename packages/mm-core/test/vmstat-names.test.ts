import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { VMSTAT_NAMES } from '../src/abi/vmstat.js';

const SOURCES = join(import.meta.dirname, '../src');

/** One family by zone type or reclaimer counts through its first name, or a prefix of it. */
function isCounted(name: string, text: string): boolean {
  if (text.includes(`'${name}'`)) return true;
  const family = name.slice(0, name.lastIndexOf('_') + 1);
  return text.includes(`'${family}dma'`) || text.includes(`count(\`${family}\${`);
}

test('every counter is counted somewhere', () => {
  const paths = globSync('{mem,mm}/*.ts', { cwd: SOURCES });
  const text = paths.map((path) => readFileSync(join(SOURCES, path), 'utf8')).join('\n');
  expect(VMSTAT_NAMES.filter((name) => !isCounted(name, text))).toEqual([]);
});
