import { AssertionError, MmError } from '@mm-lab/mm-core';
import { describe, expect, it, test } from 'vitest';
import { describeDriver, driverChecks } from '../../src/index.js';
import { type Sloppiness, sloppyDriver } from './sloppy-driver.js';

describeDriver({ describe, it }, sloppyDriver('nothing'));

/**
 * Names of the checks that a driver does not pass, each with the first line of why. Random programs
 * are left out: which of them meets a mistake changes with every operation that the fuzzer learns.
 */
function complaints(sloppiness: Sloppiness): string[] {
  const failed: string[] = [];
  for (const check of driverChecks(sloppyDriver(sloppiness))) {
    if (check.name.startsWith('fuzz seed')) continue;
    try {
      check.run();
    } catch (cause) {
      const expected = cause instanceof AssertionError || cause instanceof MmError;
      const why = cause instanceof Error ? cause.message.split('\n')[0] : String(cause);
      if (why?.startsWith('seed ')) continue;
      failed.push(`${check.name}: ${expected ? '' : 'threw '}${why}`);
    }
  }
  return failed;
}

describe('a driver that breaks a rule is told which', () => {
  test('it forgets to undo its probe', () => {
    expect(complaints('forgets remove')).toMatchInlineSnapshot(`
      [
        "remove undoes probe: pages that still have an owner: 800, expected 0",
      ]
    `);
  });

  test('it keeps freed pages', () => {
    expect(complaints('keeps freed pages')).toMatchInlineSnapshot(`
      [
        "gives everything back when programs end: pages in use by node: {"0":0,"1":183}, expected {"0":0,"1":0}",
        "remove undoes probe: a reference is taken through another one",
        "remove with a live program loses nothing: a reference is taken through another one",
      ]
    `);
  });

  test('it loses contents', () => {
    expect(complaints('loses contents')).toMatchInlineSnapshot(`
      [
        "keeps contents through its memory and back: lost pages: 2, expected 0",
        "keeps contents of large folios, whole or split: lost pages: 2, expected 0",
        "remove with a live program loses nothing: lost pages: 2, expected 0",
      ]
    `);
  });

  test('it makes base pages for large folios', () => {
    expect(complaints('forgets the order')).toMatchInlineSnapshot(`
      [
        "keeps contents of large folios, whole or split: sloppy: a plugin threw in migrate_to: newFolio makes a folio of the order of its source. This is a bug of the plugin: hooks answer -errno, they do not throw.",
      ]
    `);
  });

  test('it asks for chance elsewhere', () => {
    expect(complaints('asks for chance')).toMatchInlineSnapshot(`
      [
        "time and chance come from the machine alone: sloppy: a plugin threw in migrate_to: Math.random was asked: take Clock and Prng of the machine instead. This is a bug of the plugin: hooks answer -errno, they do not throw.",
      ]
    `);
  });

  test('it throws in a hook', () => {
    expect(complaints('throws').slice(0, 2)).toMatchInlineSnapshot(`
      [
        "remove with a live program loses nothing: sloppy: a plugin threw in folio_migrate: no such device. This is a bug of the plugin: hooks answer -errno, they do not throw.",
      ]
    `);
  });

  test('it opens the gate', () => {
    expect(complaints('opens the gate').map(withoutNumbers)).toMatchInlineSnapshot(`
      [
        "nothing that did not ask lands on its memory: a leaked allocation: {"gfp":N,"order":N,"nid":N,"nodemask":",
      ]
    `);
  });

  test('random programs meet it, too', () => {
    for (const mistake of ['keeps freed pages', 'opens the gate'] as const) {
      const seeds = Array.from({ length: 12 }, (_, at) => at + 1);
      const checks = driverChecks({ ...sloppyDriver(mistake), seeds });
      const programs = checks.filter((check) => check.name.startsWith('fuzz seed'));
      expect(() => runAll(programs)).toThrow(/^seed \d+, step \d+/);
    }
  });

  test('it has state outside the machine', () => {
    expect(complaints('has a global').map(withoutNumbers)).toMatchInlineSnapshot(`
      [
        "two machines share nothing: a second machine ends with the figures of the first",
      ]
    `);
  });

  test('it has callbacks without the flag that stands for them', () => {
    expect(complaints('acts without its flag')).toMatchInlineSnapshot(`
      [
        "opts in to what it has callbacks for, and has the callbacks it opts in to: flags and callbacks: ["sloppy: migrate_to without its flag","sloppy: folio_migrate without its flag"], expected []",
      ]
    `);
  });
});

function runAll(checks: readonly { run(): void }[]): void {
  for (const check of checks) check.run();
}

/** What is right of the colon without its figures. */
function withoutNumbers(complaint: string): string {
  return complaint.slice(0, 110).replaceAll(/\d+/g, 'N');
}
