import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { runServices, servicesHad, servicesPage, unexplained } from './services/page.ts';

const rows = runServices();

test('docs/services.md says what the services do when they are run', () => {
  const page = readFileSync(new URL('../../docs/services.md', import.meta.url), 'utf8');
  const hint = 'run `node_modules/.bin/node scripts/generate-docs.mjs` after a build';
  expect(servicesPage(rows), hint).toBe(page);
});

test('where the run and the specification differ, the reason is named', () => {
  expect(unexplained(rows)).toEqual([]);
});

test('a node with flags has the most of RAM’s services, DEVICE_PRIVATE the least', () => {
  const [priv = 0, coherent = 0, plain = 0, flags = 0] = servicesHad(rows).had;
  expect(priv).toBeLessThan(coherent);
  expect(coherent).toBeLessThan(plain);
  expect(plain).toBeLessThan(flags);
});
