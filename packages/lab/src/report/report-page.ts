import { count } from '../progress/count.js';
import type { StoredRun } from '../results/read-run.js';
import type { ResolvedExperiment } from '../results/run-files.js';
import { type ChartData, chartDataOf } from './chart-data.js';
import { claimsSection } from './claims-section.js';
import { comparisonSection } from './comparison-section.js';
import { configurationSection } from './configuration-section.js';
import { type Html, html, scriptJson } from './html.js';
import { reportAssets } from './report-assets.js';

interface Chart {
  readonly id: string;
  readonly title: string;
  readonly note: string;
  /** Series to choose from, by key, if there is a choice. */
  readonly choices?: readonly (readonly [key: string, label: string])[];
}

const CHARTS: readonly Chart[] = [
  {
    id: 'occupancy',
    title: 'Node occupancy',
    note: 'Pages in use on each node. All panels have one scale.',
  },
  {
    id: 'device',
    title: 'Bytes on the device',
    note: 'What the compressed pages take, against what the medium really has.',
  },
  {
    id: 'faults',
    title: 'Faults per second',
    note: 'Per second of simulated time.',
    choices: [
      ['all', 'all faults'],
      ['fault.minor', 'minor'],
      ['fault.major', 'major'],
      ['fault.write_protect', 'write-protect'],
    ],
  },
  {
    id: 'migrations',
    title: 'Migrations per second',
    note: 'Pages per second of simulated time.',
    choices: [
      ['all', 'promoted and demoted'],
      ['migrate.promoted', 'promoted'],
      ['migrate.demoted', 'demoted'],
      ['swap.out', 'swapped out'],
      ['swap.in', 'swapped in'],
    ],
  },
  {
    id: 'pressure',
    title: 'Pressure',
    note: 'What the driver tells mm, 0 to 1000: the share of the node it wants to be left alone.',
  },
  {
    id: 'latency',
    title: 'Access latency',
    note: 'Share of the accesses that took longer than the latency below; logarithmic scales.',
  },
];

/** The whole report: one file that needs no network. */
export function reportPage(run: StoredRun): string {
  const { results, experiment } = run;
  const assets = reportAssets();
  const data = chartDataOf(run);
  const played = experiment.workload !== undefined;
  return html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="generator" content="mm-lab">
<title>${results.experiment} – mm-lab</title>
<style>${assets.style}</style>
</head>
<body>
<main>
${headerOf(run)}
${claimsSection(results.claims)}
${played && comparisonSection(run)}
${played && chartsSection(data)}
${
  data.figures.length > 0 &&
  html`<section id="figures" aria-labelledby="figures-title">
  <h2 id="figures-title">Figures</h2>
  <div id="figure-list"></div>
</section>`
}
${played && configurationSection(experiment)}
</main>
<script type="application/json" id="data">${scriptJson(data)}</script>
<script>${assets.library}</script>
${assets.modules.map((module) => html`<script type="module">${module}</script>\n`)}
</body>
</html>
`.text;
}

function chartsSection(data: ChartData): Html {
  return html`<section id="charts" aria-labelledby="charts-title">
  <h2 id="charts-title">Over time</h2>
  <div class="controls">
    <div class="chips" role="group" aria-label="Variants shown">${data.variants.map(
      ({ name }) =>
        html`<button type="button" aria-pressed="true" data-toggle="${name}"><span
          class="swatch" data-variant="${name}"></span>${name}</button>`,
    )}</div>
    <fieldset class="axis"><legend class="hidden">Horizontal axis</legend>
      <label><input type="radio" name="axis" value="progress" checked>
        progress of the program</label>
      <label><input type="radio" name="axis" value="time"> simulated time</label>
    </fieldset>
  </div>
  <noscript><p>The charts need JavaScript; their numbers are in
    <code>series.json</code>.</p></noscript>
  ${CHARTS.map(chartOf)}
</section>`;
}

function headerOf({ results, experiment }: StoredRun): Html {
  return html`<header>
  <p class="eyebrow">mm-lab · ${results.experiment}</p>
  <h1>${results.question}</h1>
  <dl class="facts">
    ${experiment.workload !== undefined && workloadFacts(experiment.workload)}
    <div><dt>seed</dt><dd>${results.seed}</dd></div>
    <div><dt>commit</dt><dd><code>${shortCommit(results.commit)}</code></dd></div>
  </dl>
</header>`;
}

function workloadFacts({ played, spec }: NonNullable<ResolvedExperiment['workload']>): Html {
  const workload = 'trace' in spec ? played.name : `${spec.generator} (generated)`;
  return html`<div><dt>workload</dt><dd>${workload}</dd></div>
    <div><dt>accesses</dt><dd>${count(played.accesses)} in ${count(played.rows)} rows</dd></div>
    <div><dt>pages</dt><dd>${count(played.pages)}</dd></div>`;
}

function shortCommit(commit: string): string {
  return commit.replace(/^([0-9a-f]{12})[0-9a-f]+/, '$1');
}

function chartOf({ id, title, note, choices }: Chart): Html {
  return html`
  <figure class="chart" id="chart-${id}" aria-labelledby="title-${id}">
    <figcaption>
      <h3 id="title-${id}">${title}</h3>
      ${
        choices !== undefined &&
        html`<select aria-label="${title}: of what" data-choice="${id}">${choices.map(
          ([key, label]) => html`<option value="${key}">${label}</option>`,
        )}</select>`
      }
      <p class="note">${note}</p>
    </figcaption>
    <div class="plot" role="img"></div>
    <details class="data"><summary>Data of this chart</summary>
      <div class="scroll" tabindex="0"></div></details>
  </figure>`;
}
