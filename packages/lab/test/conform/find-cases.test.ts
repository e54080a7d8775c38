import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import type { ConformCase } from '../../src/conform/conform-case.js';
import { findCases } from '../../src/conform/find-cases.js';
import { hasNoKernel } from '../../src/conform/kernel-files.js';
import { compareWithGaps, readKnownGaps, updateKnownGaps } from '../../src/conform/known-gaps.js';
import type { Outcome } from '../../src/conform/outcome.js';
import { runCase } from '../../src/conform/run-case.js';
import { compareReleases } from '../../src/conform/syscall-file.js';
import { CONFORMANCE } from './known-set.js';

let folder = '';
beforeAll(() => {
  folder = mkdtempSync(join(tmpdir(), 'mm-lab-conform-'));
});
afterAll(() => rmSync(folder, { recursive: true, force: true }));

function find(path: string, kernel = '7.3.4'): readonly ConformCase[] {
  return findCases([join(CONFORMANCE, path)], { kernel });
}

function kinds(cases: readonly ConformCase[]): Record<string, number> {
  const counts: Record<string, number> = {};
  for (const { kind } of cases) counts[kind] = (counts[kind] ?? 0) + 1;
  return counts;
}

describe('cases are found', () => {
  test('in a file of records, a file of cases and a folder of either kernel alike', () => {
    const records = find('cases/kernel-records/records/7.3.4/fork.json');
    expect(find('cases/kernel-records/cases/fork.json')).toEqual(records);
    expect(kinds(records)).toEqual({ record: records.length });
    const other = find('cases/kernel-records/records/6.18.15/fork.json', '6.18.15');
    expect(other.map(({ id }) => id)).toEqual(records.map(({ id }) => id));
  });

  test('in a folder with cases and records, where what was not recorded is told', () => {
    const all = find('cases/kernel-records');
    const skipped = all.filter(({ kind }) => kind === 'skipped');
    expect(all.length).toBeGreaterThan(500);
    expect(new Set(skipped.map(({ family }) => family))).toEqual(new Set());
  });

  test('in a folder of one family that another kernel was recorded doing', () => {
    const cases = find('asked-hmm');
    expect(kinds(cases)).toEqual({ record: cases.length });
    expect(new Set(cases.map(({ family }) => family))).toEqual(new Set(['hmm']));
  });

  test('in a file of system calls, without those of another release', () => {
    const cases = find('cases/syscall-cases.json');
    const { syscall = 0, skipped = 0 } = kinds(cases);
    expect([syscall > 500, skipped > 0, skipped < 10]).toEqual([true, true, true]);
    expect(kinds(find('cases/syscall-cases.json', '6.12')).skipped).toBeGreaterThan(skipped);
  });

  test('nowhere else', () => {
    writeFileSync(join(folder, 'empty.json'), '[]');
    writeFileSync(join(folder, 'broken.json'), '[');
    const from = (path: string) => () => findCases([path], { kernel: '7.3.4' });
    expect(from(join(folder, 'nothing'))).toThrow(/there is no/);
    expect(from(join(folder, 'empty.json'))).toThrow(/no cases/);
    expect(from(join(folder, 'broken.json'))).toThrow(/not JSON/);
    expect(() => find('cases/kernel-records', '1.0')).toThrow(/has no records of 1\.0/);
  });
});

test('releases are compared by their numbers', () => {
  expect(compareReleases('7.3.4', '6.18')).toBeGreaterThan(0);
  expect(compareReleases('7.3.4', '7.3', 2)).toBe(0);
  expect(compareReleases('7.3.4', '7.10')).toBeLessThan(0);
});

describe('what a case asks for and the model has not', () => {
  function messageOf(step: Record<string, number | string>): string | undefined {
    const [template] = find('cases/kernel-records/cases/fork.json');
    if (template?.kind !== 'record') return undefined;
    const result = { ret: 0 };
    const kase = { id: 'x', family: 'y', machine: 'dual', steps: [step] };
    const record = { id: 'x', steps: [{ op: step.op ?? '', result }] };
    return runCase({ ...template, kase, record }).findings[0]?.message;
  }

  test.for([
    [{ op: 'levitate' }, 'unknown op levitate'],
    [{ op: 'settle', height: 3 }, 'unknown field height of settle'],
    [{ op: 'mmap', flags: 'glued' }, 'unknown name glued'],
    [{ op: 'sys_read', path: '/proc/sys/vm/laptop_mode' }, 'not yet: /proc/sys/vm/laptop_mode'],
  ] as const)('fails it by name: %o', ([step, message]) => {
    expect(messageOf(step)).toBe(message);
  });
});

test('a file that no kernel has is not there, as on the machine', () => {
  const missing = ['/proc/sys/vm/levity', '/sys/devices/system/memory/probe'];
  expect(missing.map((path) => hasNoKernel(path))).toEqual([true, true]);
  expect(hasNoKernel('/sys/fs/cgroup/g/memory.levity')).toBe(true);
  expect(hasNoKernel('/sys/fs/cgroup/g/memory.zswap.max')).toBe(false);
});

describe('known gaps', () => {
  const outcome = (id: string, family: string, verdict: Outcome['verdict']): Outcome => {
    return { id, family, verdict, findings: [], steps: [], ms: 0 };
  };
  const outcomes = [
    outcome('a', 'f', 'failed'),
    outcome('b', 'f', 'passed'),
    outcome('c', 'f', 'failed'),
    outcome('c', 'syscall/f', 'passed'),
  ];

  test('are those that fail and are listed; the rest is told', () => {
    const gaps = new Map([
      ['a', 'why'],
      ['b', 'no more'],
    ]);
    expect(compareWithGaps(outcomes, gaps)).toEqual({ unlisted: ['c'], closed: ['b'] });
  });

  test('are written anew with the reasons that were there', () => {
    const path = join(folder, 'gaps.json');
    const before = new Map([
      ['a', 'why'],
      ['b', 'no more'],
      ['elsewhere', 'not run'],
    ]);
    const after = updateKnownGaps(path, outcomes, before);
    expect(Object.fromEntries(after)).toEqual({
      a: 'why',
      elsewhere: 'not run',
      'f/c': 'not yet: f',
    });
    expect(readKnownGaps(path)).toEqual(after);
    expect(compareWithGaps(outcomes, after)).toEqual({ unlisted: [], closed: [] });
  });
});
