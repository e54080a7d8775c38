import { formatBytes, PAGE_BYTES } from '../command/size.js';
import type { ResolvedExperiment, ResolvedVariant } from '../results/run-files.js';
import { type Html, html } from './html.js';

/** What was run: machines, plugins, parameters, and where each cost comes from. */
export function configurationSection(experiment: ResolvedExperiment): Html {
  const { variants, params, costs, workload } = experiment;
  const parameters = Object.entries(params);
  return html`
<section id="configuration" aria-labelledby="configuration-title">
  <h2 id="configuration-title">Configuration</h2>
  <div class="scroll" tabindex="0" role="region" aria-label="Variants">
    <table class="plain">
      <thead><tr><th scope="col">variant</th><th scope="col">nodes</th>
        <th scope="col">plugins, in order</th></tr></thead>
      <tbody>${variants.map(variantRow)}</tbody>
    </table>
  </div>
  ${
    parameters.length > 0 &&
    html`<p>Parameters: ${parameters.map(
      ([name, value]) => html`<code>${name} = ${value}</code> `,
    )}</p>`
  }
  <details>
    <summary>The whole configuration</summary>
    <pre>${JSON.stringify({ workload: workload?.spec, variants }, null, 2)}</pre>
  </details>
  <details>
    <summary>The ${costs.length} numbers of the cost model, and where each comes from</summary>
    <p class="note">
      P primary text read · A abstract only · S secondary · M measured · C computed · D derived by
      arithmetic · R recalled, unverified: sweep it before you believe what depends on it.
      A number that is not charged yet had no part in this run.
      Sources are numbered as in the cost model's specification.
    </p>
    <div class="scroll" tabindex="0" role="region" aria-label="Cost table">
      <table class="plain costs">
        <thead><tr><th scope="col">cost</th><th scope="col">value</th><th scope="col">mark</th>
          <th scope="col">sweep</th><th scope="col">what</th>
          <th scope="col">source</th></tr></thead>
        <tbody>${costs.map(costRow)}</tbody>
      </table>
    </div>
  </details>
</section>`;
}

function variantRow({ name, machine, plugins, kind, oracle }: ResolvedVariant): Html {
  const nodes = machine.nodes.map(({ id, pages }) => `${id}: ${formatBytes(pages * PAGE_BYTES)}`);
  const computed =
    kind === 'oracle' && oracle !== undefined
      ? `; placement by foresight, ${formatBytes(oracle.nearPages * PAGE_BYTES)} near`
      : '';
  return html`<tr><th scope="row"><span class="swatch" data-variant="${name}"></span>${name}</th>
  <td>${nodes.join(', ')}${computed}</td>
  <td>${plugins.length === 0 ? '–' : plugins.map((plugin) => html`<code>${plugin}</code> `)}</td>
  </tr>`;
}

function costRow(cost: ResolvedExperiment['costs'][number]): Html {
  const { name, value, unit, mark, sweep, meaning, source, overridden, charged } = cost;
  return html`<tr class="${overridden ? 'overridden' : ''}"><th scope="row">${name}</th>
  <td class="number">${value.toLocaleString('en-US')} ${unit === 'count' ? '' : unit}</td>
  <td>${mark}</td><td class="number">${sweep === undefined ? '–' : `${sweep[0]}–${sweep[1]}`}</td>
  <td>${meaning}${charged === false && ' (not charged yet)'}</td><td>${source}</td></tr>`;
}
