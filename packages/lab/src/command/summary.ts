import { relative } from 'node:path';
import { styleText } from 'node:util';
import type { FigureTable } from '../experiment/figures.js';
import { comparisonOf } from '../results/comparison.js';
import type { StoredRun } from '../results/read-run.js';
import type { ClaimResult } from '../results/results.js';
import { shownStats } from '../results/stat-facts.js';
import { comparisonTable, plainTable, type Terminal } from './terminal-table.js';

/** What a run prints when it is done: the question, the comparison, the claims. */
export function summaryOf({ results, experiment }: StoredRun, terminal: Terminal): string {
  const bounds = experiment.variants.filter(({ bound }) => bound).map(({ name }) => name);
  const facts = shownStats(experiment.columns);
  const rows = comparisonOf({ variants: results.variants, bounds, facts });
  const endings = rows.flatMap(({ variant, ending }) =>
    ending ? [`† ${variant}: ${ending}`] : [],
  );
  const notes = [
    ...(bounds.length === 0 ? [] : ['* a bound, not a way to use the device']),
    ...endings,
  ];
  const figures = Object.entries(results.figures?.values ?? {});
  return [
    '',
    results.question,
    '',
    ...(rows.length === 0 ? [] : [comparisonTable(rows, terminal)]),
    ...notes,
    ...(results.figures?.tables ?? []).filter(({ plotOnly }) => !plotOnly).flatMap(figureLines),
    ...(figures.length === 0 ? [] : ['', ...figures.map(([name, value]) => `${name} = ${value}`)]),
    ...(results.claims.length === 0
      ? []
      : ['', ...results.claims.map((claim) => claimLine(claim, terminal))]),
    '',
  ].join('\n');
}

/** A table that the experiment's figures are shown in, numbers to the right. */
function figureLines({ title, columns, rows }: FigureTable): string[] {
  const alignments = columns.map((_, at) =>
    rows.every((row) => typeof row[at] === 'number') ? 'right' : 'left',
  );
  const cells = rows.map((row) => row.map((cell) => String(cell)));
  return ['', title, '', plainTable(columns, cells, alignments)];
}

/** A path as short as it can be written from here. */
export function shortPath(path: string): string {
  const fromHere = relative(process.cwd(), path);
  return fromHere.startsWith('..') ? path : fromHere;
}

function claimLine({ text, holds }: ClaimResult, { colour }: Terminal): string {
  const mark = holds ? '✓' : '✗';
  if (!colour) return `${mark} ${text}`;
  return `${styleText(holds ? 'green' : 'red', mark, { validateStream: false })} ${text}`;
}
