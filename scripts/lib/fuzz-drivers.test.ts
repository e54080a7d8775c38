import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const SCRIPT = join(import.meta.dirname, '../fuzz.mjs');

/** What millions of steps once found, by driver and seed; each failed before its fix. */
const FOUND = [
  ['cram', 70000676, 'shared memory left the swap cache while a batch moved it'],
  ['cram', 60002023, 'a page of the hugetlb pool came in, which no fence holds'],
  ['cram', 60001400, 'a fault read in what zswap had written back meanwhile'],
  ['cram-unsafe', 76000482, 'a page that was lost after a load was missed at once'],
  ['cram-unsafe', 96000302, 'a private copy was lost, and the page of the file mapped again'],
  ['private', 51000146, 'the same read on a machine with a private node'],
] as const;

/** Output of a short run of the fuzzer; it ends at the first finding. */
function fuzz(driver: string, seed: number, run = 200): string {
  const size = ['--steps', '800', '--run', String(run), '--seed', String(seed)];
  const { stdout } = spawnSync(process.execPath, [SCRIPT, '--driver', driver, ...size], {
    encoding: 'utf8',
  });
  return stdout;
}

test('a private node whose life goes on at random moments keeps its rules', () => {
  const said = fuzz('private', 1);
  expect(said).toMatch(/ 0 lost pages counted, 0 findings/);
  expect(said).toMatch(/privateLife \d{2}/);
}, 60_000);

test('CRAM on a faulty device, pulled and plugged at random moments, loses nothing', () => {
  const said = fuzz('cram', 1);
  expect(said).toMatch(/ 0 lost pages counted, 0 findings/);
  expect(said).toMatch(/replug [1-9]/);
}, 60_000);

test('where a device loses pages the machine counts those that the model misses, no other', () => {
  expect(fuzz('cram-unsafe', 13, 400)).toMatch(/ [1-9]\d* lost pages counted, 0 findings/);
}, 60_000);

test.each(FOUND)(
  '%s, seed %i: %s',
  (driver, seed) => {
    const { stdout } = spawnSync(
      process.execPath,
      [SCRIPT, '--driver', driver, '--only', String(seed)],
      { encoding: 'utf8' },
    );
    expect(stdout).toMatch(/ 0 findings/);
  },
  60_000,
);
