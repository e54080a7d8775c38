import { machineOf, oracleOf, type Params } from '../experiment/experiment.js';
import type { NamedExperiment } from '../experiment/load-experiment.js';
import { traceFileOf } from '../record/perfetto.js';
import { reportPage } from '../report/report-page.js';
import type { RunOutcome } from '../run/run-experiment.js';
import { playedOf } from '../workload/loaded-workload.js';
import { checkClaims } from './check-claims.js';
import type { StoredRun } from './read-run.js';
import { namedFigures, type Results, resultsText } from './results.js';
import {
  type ResolvedExperiment,
  RUN_FILES,
  type SeriesFile,
  type SitesFile,
} from './run-files.js';

/** The text of every file of a run's folder, by name, and what they say. */
export interface RunContents {
  readonly contents: Readonly<Record<string, string>>;
  readonly run: StoredRun;
}

/** @throws LabError CLAIM_UNCHECKABLE */
export function runFilesOf(from: {
  readonly experiment: NamedExperiment;
  readonly seed: number;
  readonly params: Params;
  readonly run: RunOutcome;
  readonly commit: string;
}): RunContents {
  const { experiment, seed, commit } = from;
  const { outcomes, figures } = from.run;
  const isPartial = outcomes.length < experiment.variants.length;
  const results: Results = {
    experiment: experiment.name,
    question: experiment.question,
    seed,
    commit,
    variants: outcomes.map(({ name, plugins, stats }) => ({ name, plugins, stats })),
    claims: checkClaims(experiment.claims, { outcomes, figures, isPartial }),
    figures: namedFigures(figures),
  };
  const series: SeriesFile = {
    variants: outcomes.map(({ name, recording, latency }) => ({
      name,
      series: recording.series,
      latency,
    })),
  };
  const sites: SitesFile = {
    variants: outcomes.map((outcome) => ({ name: outcome.name, sites: outcome.sites })),
  };
  const run = { results, experiment: resolvedExperiment(from), series };
  const traced = outcomes.map(({ name, recording }) => ({ name, ...recording }));
  return {
    run,
    contents: {
      [RUN_FILES.experiment]: `${JSON.stringify(run.experiment, null, 2)}\n`,
      [RUN_FILES.results]: resultsText(results),
      [RUN_FILES.series]: `${JSON.stringify(series)}\n`,
      [RUN_FILES.sites]: `${JSON.stringify(sites)}\n`,
      [RUN_FILES.trace]: `${JSON.stringify(traceFileOf(experiment.name, traced))}\n`,
      [RUN_FILES.report]: reportPage(run),
    },
  };
}

function resolvedExperiment(from: {
  readonly experiment: NamedExperiment;
  readonly seed: number;
  readonly params: Params;
  readonly run: RunOutcome;
}): ResolvedExperiment {
  const { experiment, seed, params, run } = from;
  const played = playedOf(run.workload);
  return {
    experiment: experiment.name,
    question: experiment.question,
    seed,
    params,
    workload: { spec: run.spec, played },
    variants: run.outcomes.flatMap(({ name, plugins }) => {
      const variant = experiment.variants.find((candidate) => candidate.name === name);
      if (variant === undefined) return [];
      return {
        name,
        title: variant.title ?? name,
        kind: variant.kind ?? 'machine',
        bound: variant.bound ?? false,
        machine: machineOf(experiment, variant, { seed, workload: played }),
        oracle: oracleOf(variant, played),
        plugins,
      };
    }),
    columns: experiment.columns,
    claims: experiment.claims.map(({ text }) => text),
    costs: run.outcomes[0]?.costs ?? [],
  };
}
