// docs/discussion.md: its prose is written by hand, its figures are those that the experiments
// measure. A block `<!-- figures: NAME -->` … `<!-- end -->` takes the tables and claims of the
// experiment NAME.ts, in whichever folder of experiments/ it is.

import { table as tableOf } from './table.mjs';

const BLOCK = /(<!-- figures: ([\w-]+) -->\n)[\s\S]*?(<!-- end -->)/g;

/**
 * The page with its figures as measured.
 * @param page the page as it is
 * @param outcomes what `runProbe` returned, by the experiment's name; a block whose experiment is
 *   not among them stays as it is
 */
export function discussionPage(page, outcomes) {
  return page.replace(BLOCK, (block, begin, name, end) => {
    const outcome = outcomes[name];
    if (outcome === undefined) return block;
    return `${begin}\n${figuresOf(outcome)}\n${end}`;
  });
}

/** Names of the experiments that the page shows, in its order. */
export function discussed(page) {
  return [...page.matchAll(BLOCK)].map(([, , name]) => name);
}

function figuresOf({ figures, claims }) {
  const shown = figures.tables.filter(({ plotOnly }) => !plotOnly);
  const tables = shown.map((table) => {
    const rows = table.rows.map((row) => row.map((cell) => plain(cell)));
    return `**${table.title}**\n\n${tableOf(table.columns, rows)}`;
  });
  const marks = claims.map(({ text, holds }) => `- ${holds ? '✓' : '✗ does not hold:'} ${text}`);
  return [...tables, marks.join('\n')].join('\n\n').concat('\n');
}

function plain(cell) {
  return typeof cell === 'number' ? cell.toLocaleString('en-US') : cell;
}
