import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { burdenOf } from './count.ts';
import { DRIVERS } from './groups.ts';

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
