import { stripVTControlCharacters, styleText } from 'node:util';
import Table from 'cli-table3';
import type { ComparisonRow, Standing } from '../results/comparison.js';

/** Where a table is printed. */
export interface Terminal {
  /** Columns of text. */
  readonly width: number;
  /** May it be coloured? */
  readonly colour: boolean;
}

const WIDTH_MAX = 100;
const WIDTH_MIN = 40;

/** The terminal that a stream is; a file or a pipe is 100 columns of plain text. */
export function terminalOf(stream: NodeJS.WriteStream): Terminal {
  const width = stream.columns ?? WIDTH_MAX;
  const colour = stream.isTTY === true && process.env.NO_COLOR === undefined;
  return { width: Math.max(WIDTH_MIN, Math.min(width, WIDTH_MAX)), colour };
}

/** A table without vertical lines: a head, a rule, the rows. */
export function plainTable(
  head: readonly string[],
  rows: readonly (readonly string[])[],
  alignments: readonly ('left' | 'right')[] = head.map(() => 'left'),
): string {
  const table = new Table({
    head: [...head],
    colAligns: [...alignments],
    chars: {
      top: '',
      'top-mid': '',
      'top-left': '',
      'top-right': '',
      bottom: '',
      'bottom-mid': '',
      'bottom-left': '',
      'bottom-right': '',
      left: '',
      'left-mid': '',
      mid: '',
      'mid-mid': '',
      right: '',
      'right-mid': '',
      middle: ' ',
    },
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 1 },
  });
  for (const row of rows) table.push([...row]);
  return table.toString().replace(/ +$/gm, '');
}

/** The comparison: as many statistics as fit, the most important ones first. */
export function comparisonTable(rows: readonly ComparisonRow[], terminal: Terminal): string {
  const facts = rows[0]?.cells.map(({ fact }) => fact) ?? [];
  for (let shown = facts.length; shown > 0; shown--) {
    const table = tableOf(rows, shown, terminal);
    if (widthOf(table) <= terminal.width || shown === 1) return table;
  }
  return tableOf(rows, 0, terminal);
}

function tableOf(rows: readonly ComparisonRow[], shown: number, terminal: Terminal): string {
  const facts = rows[0]?.cells.slice(0, shown).map(({ fact }) => fact) ?? [];
  const [first] = facts;
  const hasRatio = first?.unit === 'ns' && rows[0]?.cells[0]?.ratio !== undefined;
  const head = ['variant', ...facts.map(({ label }) => label)];
  if (hasRatio) head.splice(2, 0, '× bound');
  const body = rows.map(({ variant, bound, ending, cells }) => {
    const line = [
      styled(
        `${variant}${bound ? ' *' : ''}${ending === undefined ? '' : ' †'}`,
        styleOf(bound),
        terminal,
      ),
      ...cells
        .slice(0, shown)
        .map(({ text, standing }) => styled(text, STYLES[standing], terminal)),
    ];
    const ratio = cells[0]?.ratio;
    if (hasRatio) line.splice(2, 0, ratio === undefined ? '' : ratio.toFixed(2));
    return line;
  });
  const alignments = head.map((_, index) => (index === 0 ? 'left' : 'right'));
  return plainTable(head, body, alignments);
}

function styleOf(bound: boolean): Style {
  return bound ? 'dim' : 'bold';
}

type Style = 'dim' | 'bold' | 'green' | 'yellow' | 'red';
const STYLES: Readonly<Record<Standing, Style | undefined>> = {
  best: 'green',
  worst: 'yellow',
  failure: 'red',
  plain: undefined,
};

function styled(text: string, style: Style | undefined, { colour }: Terminal): string {
  return colour && style !== undefined ? styleText(style, text, { validateStream: false }) : text;
}

function widthOf(table: string): number {
  const lines = stripVTControlCharacters(table).split('\n');
  return Math.max(...lines.map((line) => [...line].length));
}
