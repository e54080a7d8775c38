import { existsSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { isRecorded, kernelFacts } from './kernel-facts.ts';

const page = readFileSync(
  fileURLToPath(new URL('../../docs/discussion.md', import.meta.url)),
  'utf8',
);

/** Cells of the columns `kernel` of this folder's experiments, but for `–`. */
function shown(): Readonly<Record<string, readonly string[]>> {
  const found: Record<string, string[]> = {};
  for (const [, name = '', block = ''] of page.matchAll(
    /<!-- figures: ([\w-]+) -->\n([\s\S]*?)<!-- end -->/g,
  )) {
    const cells = block.split('\n\n').flatMap(kernelCells);
    const isHere = existsSync(fileURLToPath(new URL(`./${name}.ts`, import.meta.url)));
    if (cells.length > 0 && isHere) found[name] = cells;
  }
  return found;
}

function kernelCells(table: string): readonly string[] {
  const rows = table
    .split('\n')
    .filter((line) => line.startsWith('|'))
    .map((line) => line.split('|').map((cell) => cell.trim()));
  const column = rows[0]?.indexOf('kernel') ?? -1;
  if (column < 0) return [];
  return rows.slice(2).flatMap((row) => (row[column] === '–' ? [] : [row[column] ?? '']));
}

test('every cell about the kernel is what the record of its case says', () => {
  const facts = Object.entries(kernelFacts());
  const read = Object.fromEntries(
    facts.map(([name, list]) => [name, list.map(({ cell }) => cell)]),
  );
  expect(shown()).toEqual(read);
});

test('a cell without a record has none to be read from', () => {
  const bare = Object.values(kernelFacts())
    .flat()
    .filter((fact) => !fact.isRecorded);
  expect(bare.filter((fact) => fact.case !== null && isRecorded(fact.case))).toEqual([]);
});
