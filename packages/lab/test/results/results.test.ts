import { expect, test } from 'vitest';
import { orderedStats, REQUIRED_STATS, resultsText } from '../../src/results/results.js';
import { fakeRun } from '../support/fake-run.js';

test('statistics are in the order of their names, the required ones always there', () => {
  const stats = orderedStats({ 'vmstat.pgfault': 3, 'access.ns.mean': 104 }, { 'a.b': 1 });
  const names = Object.keys(stats);
  expect(names).toEqual([...names].sort());
  expect(names).toEqual(expect.arrayContaining([...REQUIRED_STATS, 'a.b', 'vmstat.pgfault']));
  expect(stats['swap.in']).toBe(0);
});

test('the text does not depend on the order in which things were put together', () => {
  const { results } = fakeRun();
  const shuffled = {
    claims: results.claims,
    figures: results.figures,
    variants: results.variants.map(({ name, plugins, stats }) => ({ stats, plugins, name })),
    commit: results.commit,
    seed: results.seed,
    question: results.question,
    experiment: results.experiment,
  };
  expect(resultsText(shuffled)).toBe(resultsText(results));
  expect(Object.keys(JSON.parse(resultsText({ ...results, figures: undefined })))).toEqual([
    'experiment',
    'question',
    'seed',
    'commit',
    'variants',
    'claims',
  ]);
});
