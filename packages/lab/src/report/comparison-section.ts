import { type Cell, type ComparisonRow, comparisonOf } from '../results/comparison.js';
import type { StoredRun } from '../results/read-run.js';
import { shownStats } from '../results/stat-facts.js';
import { type Html, html } from './html.js';

/** The table of variants against statistics: on a phone each row is a card. */
export function comparisonSection({ experiment, results }: StoredRun): Html {
  const bounds = experiment.variants.filter(({ bound }) => bound).map(({ name }) => name);
  const titles = new Map(experiment.variants.map(({ name, title }) => [name, title]));
  const rows = comparisonOf({
    variants: results.variants,
    bounds,
    facts: shownStats(experiment.columns),
  });
  const [reference] = bounds;
  return html`
<section id="comparison" aria-labelledby="comparison-title">
  <h2 id="comparison-title">Comparison</h2>
  <p class="note">
    Every variant was given the same accesses${
      rows.some(({ ending }) => ending !== undefined) ? '; not all played them to the end' : ''
    }.
    ${reference === undefined ? '' : html`<b>×</b> is relative to <b>${reference}</b>.`}
    <span class="mark best">best</span> and <span class="mark worst">worst</span> are among the
    variants that are not bounds; <span class="mark failure">a failure</span> is never acceptable.
  </p>
  <div class="scroll" tabindex="0" role="region" aria-labelledby="comparison-title">
    <table class="comparison">
      <thead>${headOf(rows)}</thead>
      <tbody>${rows.map((row) => rowOf(row, titles.get(row.variant) ?? row.variant))}</tbody>
    </table>
  </div>
</section>`;
}

function headOf(rows: readonly ComparisonRow[]): Html {
  const cells = rows[0]?.cells ?? [];
  return html`<tr><th scope="col">variant</th>${cells.map(
    ({ fact }) => html`<th scope="col" title="${fact.meaning}">${fact.label}</th>`,
  )}</tr>`;
}

function rowOf({ variant, bound, ending, cells }: ComparisonRow, title: string): Html {
  return html`<tr class="${bound ? 'bound' : ''}">
  <th scope="row"><span class="swatch" data-variant="${variant}"></span>${variant}
    ${title !== variant && html`<small>${title}</small>`}
    ${bound && html`<small>bound</small>`}
    ${ending !== undefined && html`<small class="ending">${ending}</small>`}
  </th>${cells.map(cellOf)}</tr>`;
}

function cellOf({ fact, text, standing, ratio }: Cell): Html {
  const words = { best: 'best', worst: 'worst', failure: 'failure', plain: '' }[standing];
  return html`<td data-label="${fact.label}" class="${standing}"><span>${text}</span>${
    words !== '' && html`<span class="hidden"> (${words})</span>`
  }${ratio !== undefined && html` <small>${ratioText(ratio)}</small>`}</td>`;
}

function ratioText(ratio: number): string {
  return `${ratio >= 10 ? Number(ratio.toPrecision(3)) : ratio.toFixed(2)}×`;
}
