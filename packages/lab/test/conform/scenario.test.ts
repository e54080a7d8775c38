import { describe, expect, test } from 'vitest';
import { evaluate } from '../../src/conform/scenario/expression.js';
import { firstDifference, patternPage, wordOf } from '../../src/conform/scenario/pattern.js';
import { runScenario } from '../../src/conform/scenario/run-scenario.js';

const NAMES: Readonly<Record<string, number>> = { PMD: 512, PAGE: 1, thp: 0, 'raw.start': 700 };

describe('the arithmetic of scenarios', () => {
  test.each([
    ['thp ? PMD/PAGE : 2*PAGE', 2],
    ['round_up(raw.start, PMD) - raw.start', 324],
    ['!thp && PMD == 512', 1],
    ['2 MiB', 2 ** 21],
  ])('%s', (text, value) => {
    expect(evaluate(text, (name) => NAMES[name])).toBe(value);
  });
});

test('patterns name every word of a page', () => {
  const page = patternPage('index32', 2);
  expect([wordOf(page, 0), wordOf(page, 5)]).toEqual([2048, 2053]);
  expect(wordOf(patternPage('byte:0xFF', 0), 9)).toBe(-1);
  expect(firstDifference(page, patternPage('index32+1', 2))).toBe(0);
});

test('a scenario is held against what it expects', () => {
  const kase = {
    setup: [
      { id: 'open', op: 'device.open', unit: 'variant.device_number', as: 'd' },
      {
        id: 'map',
        op: 'map',
        buf: 'b',
        size: '4*PAGE',
        prot: 'rw',
        flags: ['private', 'anonymous'],
      },
      { id: 'w', op: 'cpu.write', buf: 'b', pattern: 'index32' },
      { id: 'to', op: 'device.migrate_to_device', dev: 'd', buf: 'b', pages: 'all' },
    ],
    expected: [
      { after: 'to', observe: 'cpages', equals: 'npages' },
      { after: 'to', observe: 'mirror', pattern: 'neg_index32' },
    ],
  };
  const run = runScenario({
    ...{ kind: 'scenario', id: 'x', family: 'hmm-tests', kase },
    ...{ variant: 'hmm_device_private', backend: 'zone-device' },
  });
  expect(run.findings).toEqual([
    { step: 'to', field: 'mirror page 0 word 1', kernel: -1, model: 1 },
  ]);
});
