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
    ['PMD >= 512 && PAGE <= 0', 0],
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

const ANON = ['private', 'anonymous'];

/** Two rounds of a loop in which one thread unmaps half of what another reads. */
const RACE = {
  setup: [
    { id: 'open', op: 'device.open', unit: 'variant.device_number', as: 'd' },
    {
      id: 'loop',
      op: 'repeat',
      times: 2,
      var: 'c',
      steps: [
        { id: 'map', op: 'map', buf: 'b', size: '4*PAGE', prot: 'rw', flags: ANON },
        { id: 'w', op: 'cpu.write', buf: 'b', pattern: 'index32+c' },
        {
          id: 'race',
          op: 'parallel',
          threads: [
            [{ id: 'um', op: 'unmap', buf: 'b', offset: 'c*2*PAGE', len: '2*PAGE' }],
            [{ id: 'dread', op: 'device.read', dev: 'd', buf: 'b', pages: 'all' }],
          ],
        },
        { id: 'again', op: 'device.read', dev: 'd', buf: 'b', pages: '0..1' },
      ],
    },
  ],
  expected: [
    { after: 'dread', observe: 'return', equals: [0, '-EFAULT'] },
    { after: 'dread', observe: 'cpages', equals: 'npages', when: 'return == 0' },
    { after: 'dread', observe: 'mirror', pattern: 'index32+c', when: 'dread.return >= 0' },
    {
      after: 'again',
      observe: 'mirror',
      pattern: 'index32+c',
      range: 'pages 0..1',
      when: 'again.return == 0',
    },
    {
      after: 'again',
      observe: 'mirror',
      pattern: 'index32',
      range: 'pages 0..1',
      when: 'c == 1 && return is 0',
    },
  ],
};

test('an expectation may follow the round of a loop and what a step returned', () => {
  const at = { kind: 'scenario', id: 'x', family: 'hmm-tests', kase: RACE } as const;
  const run = runScenario({ ...at, variant: 'hmm_device_private', backend: 'zone-device' });
  expect(run.findings).toEqual([
    { step: 'again', field: 'mirror page 0 word 0', kernel: 0, model: 1 },
  ]);
});
