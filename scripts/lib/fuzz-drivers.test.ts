import { spawnSync } from 'node:child_process';
import { join } from 'node:path';
import { expect, test } from 'vitest';

const SCRIPT = join(import.meta.dirname, '../fuzz.mjs');

/** Output of short runs of the fuzzer; it ends at the first finding. */
function fuzz(driver: string, seed: number, steps = 800): string {
  const size = ['--steps', String(steps), '--run', '200', '--seed', String(seed)];
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
  expect(said).toMatch(/device\.poison_injected [1-9]/);
}, 60_000);

test('where a device loses pages the machine counts those that the model misses, no other', () => {
  expect(fuzz('cram-unsafe', 13, 2400)).toMatch(/ [1-9]\d* lost pages counted, 0 findings/);
}, 60_000);
