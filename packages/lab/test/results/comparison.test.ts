import { expect, test } from 'vitest';
import { comparisonTable } from '../../src/command/terminal-table.js';
import { comparisonOf } from '../../src/results/comparison.js';
import { shownStats } from '../../src/results/stat-facts.js';
import { fakeRun } from '../support/fake-run.js';

function rows() {
  const { results } = fakeRun();
  const bounds = ['all-dram', 'oracle'];
  return comparisonOf({ variants: results.variants, bounds, facts: shownStats([]) });
}

test('a terminal of 100 columns shows what fits, the most important first', () => {
  const table = comparisonTable(rows(), { width: 100, colour: false });
  expect(Math.max(...table.split('\n').map((line) => line.length))).toBeLessThanOrEqual(100);
  expect(`\n${table}\n`).toMatchInlineSnapshot(`
    "
    variant      run time  × bound    mean      p99    p99.9  lost  overflow  major      wp  promoted
    all-dram *     4.00 s     1.00  104 ns   250 ns  1.00 µs     0         0      0       0         0
    oracle *       4.32 s     1.08  112 ns   270 ns  1.08 µs     0         0      0       0         0
    zram           6.80 s     1.70  177 ns   425 ns  1.70 µs     0         0    9 k       0         0
    disk           37.6 s     9.40  978 ns  2.35 µs  9.40 µs     0         0    9 k       0         0
    unguarded      4.84 s     1.21  126 ns   303 ns  1.21 µs    41        41      0       0     3.6 k
    cram           5.32 s     1.33  138 ns   333 ns  1.33 µs     0         0      0  2.16 k     4.2 k
    zone-device    6.08 s     1.52  158 ns   380 ns  1.52 µs     0         0      0       0    5.28 k
    "
  `);
});

test('a narrow terminal gets fewer columns, never broken ones', () => {
  const table = comparisonTable(rows(), { width: 50, colour: false });
  expect(`\n${table}\n`).toMatchInlineSnapshot(`
    "
    variant      run time  × bound    mean      p99
    all-dram *     4.00 s     1.00  104 ns   250 ns
    oracle *       4.32 s     1.08  112 ns   270 ns
    zram           6.80 s     1.70  177 ns   425 ns
    disk           37.6 s     9.40  978 ns  2.35 µs
    unguarded      4.84 s     1.21  126 ns   303 ns
    cram           5.32 s     1.33  138 ns   333 ns
    zone-device    6.08 s     1.52  158 ns   380 ns
    "
  `);
});

test('bounds are not in the contest, and ties distinguish nobody', () => {
  const standings = rows().map(({ variant, cells }) => {
    const marked = cells.filter(({ standing }) => standing !== 'plain');
    const marks = marked.map(({ fact, standing }) => `${fact.label} ${standing}`);
    return `${variant}: ${marks.join(', ')}`;
  });
  expect(standings).toMatchInlineSnapshot(`
    [
      "all-dram: ",
      "oracle: ",
      "zram: ",
      "disk: run time worst, mean worst, p99 worst, p99.9 worst",
      "unguarded: run time best, mean best, p99 best, p99.9 best, lost failure, overflow failure, saved best",
      "cram: wp worst",
      "zone-device: ",
    ]
  `);
});
