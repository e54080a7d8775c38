import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const SOURCES = join(import.meta.dirname, '../src');
/** Names of what plugins bring: flags of a generation of the design, and the plugins. */
const FOREIGN = /\b(NP_OPS_\w+|NODE_PRIVATE_CAP_\w+|__GFP_PRIVATE|GFP_PRIVATE|CRAM_\w+|Cram\w*)\b/g;

function sources(): { path: string; text: string }[] {
  return readdirSync(SOURCES, { recursive: true, encoding: 'utf8' })
    .filter((path) => path.endsWith('.ts'))
    .map((path) => ({ path, text: readFileSync(join(SOURCES, path), 'utf8') }));
}

/** Without comments and strings, which may name the kernel's things. */
function code(text: string): string {
  return text.replace(/\/\*[\s\S]*?\*\//g, '').replace(/\/\/.*|'(?:[^'\\\n]|\\.)*'/g, '');
}

test('the core names no flag, capability or bit of a generation of private nodes', () => {
  const named = sources().flatMap(({ path, text }) => {
    return [...code(text).matchAll(FOREIGN)].map(([name]) => `${path}: ${name}`);
  });
  expect(named).toEqual([]);
});

test('the core imports no package of the laboratory', () => {
  const imports = sources().flatMap(({ path, text }) => {
    return [...text.matchAll(/from '(@mm-lab\/[^']+)'/g)].map((match) => `${path}: ${match[1]}`);
  });
  expect(imports).toEqual([]);
});
