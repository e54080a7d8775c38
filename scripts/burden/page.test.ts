import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { burdenOf } from './count.ts';
import { DRIVERS } from './groups.ts';
import { burdenPage } from './page.ts';

const ROOT = fileURLToPath(new URL('../../', import.meta.url));

test('every function of a driver has a duty', () => {
  for (const driver of DRIVERS) {
    const functions = [...burdenOf(ROOT, driver).values()].map((burden) => burden.functions);
    expect(
      functions.reduce((sum, count) => sum + count, 0),
      driver.name,
    ).toBeGreaterThan(0);
  }
});

test('docs/driver-burden.md is what the generator writes', { timeout: 60_000 }, () => {
  const page = readFileSync(join(ROOT, 'docs/driver-burden.md'), 'utf8');
  expect(page, 'run scripts/generate-docs.mjs').toBe(burdenPage());
});
