import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { COST_NAMES, RESERVED_COSTS } from '../src/mm/cost-table.js';

const PACKAGES = join(import.meta.dirname, '../..');

/** Costs that the sources of any package read: `ns.trap`, or `const { trap } = cost.ns`. */
function namesRead(): Set<string> {
  const names = new Set<string>();
  for (const path of globSync('*/src/**/*.ts', { cwd: PACKAGES })) {
    const text = readFileSync(join(PACKAGES, path), 'utf8').replace(/\/\*[\s\S]*?\*\/|\/\/.*/g, '');
    for (const match of text.matchAll(/\b(?:ns|bytesPerNs|counts)\.(\w+)/g)) names.add(match[1]!);
    const unpacked = /const \{([^}]*)\} = [\w.]*\b(?:ns|bytesPerNs|counts);/g;
    for (const match of text.matchAll(unpacked)) {
      for (const name of match[1]!.split(',')) names.add(name.trim());
    }
  }
  return names;
}

test('a row is charged somewhere, or reserved and charged nowhere', () => {
  const read = namesRead();
  const unread = COST_NAMES.filter((name) => !read.has(name));
  expect(unread.sort()).toEqual([...RESERVED_COSTS].sort());
});
