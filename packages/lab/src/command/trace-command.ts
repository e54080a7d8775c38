import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import {
  openTrace,
  SHIPPED_TRACES,
  shippedTrace,
  type TraceSummary,
  traceSummary,
} from '@mm-lab/workloads';
import type { Command } from 'commander';
import { count } from '../progress/count.js';
import { formatBytes, PAGE_BYTES } from './size.js';
import { plainTable } from './terminal-table.js';

const EXAMPLES = `
Examples:
  mm-lab trace info redis-kv
  mm-lab trace info traces/app.trace.csv.gz --json`;

export function addTraceCommand(program: Command): void {
  const trace = program.command('trace').description('look into a trace');
  trace
    .command('info')
    .description('rows, accesses, pages and working set of a trace')
    .argument('<trace>', `file, or shipped trace (${SHIPPED_TRACES.join(', ')})`)
    .option('--json', 'print it as JSON')
    .addHelpText('after', EXAMPLES)
    .action(async (name: string, { json }: { readonly json?: boolean }) => {
      const opened = await openTrace(fileOf(name), { ops: 'all' });
      const summary = traceSummary(opened);
      const text = json === true ? JSON.stringify(summary, null, 2) : summaryText(summary);
      process.stdout.write(`${text}\n`);
    });
}

/** A file that exists wins over a shipped trace of that name. */
function fileOf(name: string): string {
  const isShipped = SHIPPED_TRACES.some((shipped) => shipped === name);
  return isShipped && !existsSync(name) ? shippedTrace(name).trace : resolve(name);
}

function summaryText(summary: TraceSummary): string {
  const { rows, accesses, pages, pagesWritten, windows, workingSet } = summary;
  const facts: readonly (readonly [string, string])[] = [
    ['trace', summary.name],
    ['rows', count(rows)],
    ['accesses', `${count(accesses)} (${count(accesses / Math.max(1, rows))} a row)`],
    [
      'pages',
      `${count(pages)} = ${formatBytes(pages * PAGE_BYTES)}, ${count(pagesWritten)} written`,
    ],
    ['stores', `${(summary.writeShare * 100).toFixed(1)} % of the program's accesses`],
    ['regions', `${summary.regions} of 2 MiB`],
    ['time', `${count(summary.timeFirst)} to ${count(summary.timeLast)} instructions`],
    [
      'window',
      `${count(windows.length)} instructions: ${count(windows.pagesMean)} pages on average, ` +
        `${count(windows.pagesMax)} at most`,
    ],
  ];
  const width = Math.max(...facts.map(([name]) => name.length));
  const kinds = plainTable(
    ['kind', 'rows', 'accesses'],
    summary.byKind.map((kind) => [
      KINDS[kind.letter] ?? kind.letter,
      count(kind.rows),
      count(kind.accesses),
    ]),
    ['left', 'right', 'right'],
  );
  const sets = plainTable(
    ['window', 'working set'],
    workingSet.map((point) => [
      `${count(point.window)} instructions`,
      `${count(point.pages)} pages`,
    ]),
    ['right', 'right'],
  );
  const lines = facts.map(([name, value]) => `${name.padEnd(width)}  ${value}`);
  return [...lines, '', kinds, '', sets].join('\n');
}

const KINDS: Readonly<Record<string, string>> = {
  I: 'I  instruction fetch',
  R: 'R  load',
  W: 'W  store',
  r: 'r  read by the kernel',
  w: 'w  written by the kernel',
};
