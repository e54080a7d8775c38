import type { FigureTable } from '../experiment/figures.js';
import { compactHistogram } from '../record/latency.js';
import type { StoredRun } from '../results/read-run.js';

/** What one variant's lines are drawn from; columns that are 0 throughout are left out. */
interface ChartVariant {
  readonly name: string;
  readonly bound: boolean;
  readonly intervalNs: number;
  readonly time: readonly number[];
  readonly progress: readonly number[];
  readonly columns: Readonly<Record<string, readonly number[]>>;
  readonly latency: { readonly upperNs: readonly number[]; readonly count: readonly number[] };
  /** Node ids by their names. */
  readonly nodes: readonly { readonly nid: number; readonly label: string }[];
}

/** The JSON inside the page. */
export interface ChartData {
  readonly variants: readonly ChartVariant[];
  readonly figures: readonly FigureTable[];
}

export function chartDataOf({ experiment, series, results }: StoredRun): ChartData {
  const variants = series.variants.map(({ name, series: recorded, latency }) => {
    const resolved = experiment.variants.find((variant) => variant.name === name);
    const nodes = resolved?.machine.nodes ?? [];
    return {
      name,
      bound: resolved?.bound ?? false,
      intervalNs: recorded.intervalNs,
      time: recorded.time,
      progress: recorded.progress.map((share) => Number(share.toFixed(4))),
      columns: movingColumns(recorded.columns),
      latency: compactHistogram(latency),
      nodes: nodes.map(({ id, cpus }) => ({
        nid: id,
        label: (cpus ?? 0) > 0 ? `node ${id} (DRAM)` : `node ${id}`,
      })),
    };
  });
  return { variants, figures: results.figures?.tables ?? [] };
}

function movingColumns(
  columns: Readonly<Record<string, readonly number[]>>,
): Record<string, readonly number[]> {
  const kept: Record<string, readonly number[]> = {};
  for (const [name, values] of Object.entries(columns)) {
    if (/^node\.\d+\.pages$/.test(name) || values.every((value) => value === 0)) continue;
    kept[name] = values;
  }
  return kept;
}
