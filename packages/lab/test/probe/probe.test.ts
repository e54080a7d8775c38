import { expect, test } from 'vitest';
import { defineProbe } from '../../src/probe/define-probe.js';
import { runProbe } from '../../src/probe/run-probe.js';
import { probeFilesOf } from '../../src/results/write-probe.js';

const probe = defineProbe({
  question: 'How much is it?',
  seed: 3,
  params: { factor: 2 },
  probe: ({ seed, params }) => ({
    values: { sum: seed * (params.factor ?? 0) },
    tables: [{ name: 't', title: 'T', columns: ['a', 'b'], rows: [['x', 1]] }],
  }),
  claims: [
    { text: 'It is six.', holds: (results) => results.figure('sum') === 6 },
    { text: 'The cell is one.', holds: (results) => results.column('t', 'b')[0] === 1 },
  ],
});

test('a probe says its figures and checks its claims, without a trace', async () => {
  const outcome = await runProbe(probe);
  expect([outcome.figures.values.sum, outcome.claims.map(({ holds }) => holds)]).toEqual([
    6,
    [true, true],
  ]);
  const other = await runProbe(probe, { params: { factor: 3 } });
  expect(other.claims.map(({ holds }) => holds)).toEqual([false, true]);
});

test('its folder has the values under figure.* and a report with the tables alone', async () => {
  const outcome = await runProbe(probe);
  const { contents } = probeFilesOf({
    probe: { ...probe, name: 'p' },
    seed: 3,
    params: probe.params,
    outcome,
    commit: 'c',
  });
  expect(Object.keys(contents).sort()).toEqual([
    'experiment.json',
    'report.html',
    'results.json',
    'series.json',
  ]);
  expect(JSON.parse(contents['results.json'] ?? '').figures.values).toEqual({ 'figure.sum': 6 });
  expect(contents['report.html']).toContain('id="figure-list"');
  expect(contents['report.html']).not.toContain('id="comparison"');
});

test('a claim that reads a table that is not there is an error, not a failure', async () => {
  const broken = defineProbe({
    ...definitionOf(),
    claims: [{ text: 'c', holds: (results) => results.column('none', 'a').length === 0 }],
  });
  await expect(runProbe(broken)).rejects.toThrow('there is no table none');
});

test('mistakes are told by field', () => {
  expect(() => defineProbe({ ...definitionOf(), question: '' })).toThrow(
    'question: must say something',
  );
});

function definitionOf() {
  return { question: 'q', seed: 1, probe: () => ({ values: {}, tables: [] }) };
}
