import type { Params } from '../experiment/experiment.js';
import type { NamedProbe } from '../experiment/load-experiment.js';
import type { ProbeOutcome } from '../probe/run-probe.js';
import { reportPage } from '../report/report-page.js';
import { namedFigures, type Results, resultsText } from './results.js';
import { type ResolvedExperiment, RUN_FILES, type SeriesFile } from './run-files.js';
import type { RunContents } from './write-run.js';

/** The files of a probe's folder: those of a run of no variants, without traces and sites. */
export function probeFilesOf(from: {
  readonly probe: NamedProbe;
  readonly seed: number;
  readonly params: Params;
  readonly outcome: ProbeOutcome;
  readonly commit: string;
}): RunContents {
  const { probe, seed, params, outcome, commit } = from;
  const { name, question } = probe;
  const results: Results = {
    experiment: name,
    question,
    seed,
    commit,
    variants: [],
    claims: outcome.claims,
    figures: namedFigures(outcome.figures),
  };
  const experiment: ResolvedExperiment = {
    experiment: name,
    question,
    seed,
    params,
    variants: [],
    columns: [],
    claims: probe.claims.map(({ text }) => text),
    costs: [],
  };
  const series: SeriesFile = { variants: [] };
  const run = { results, experiment, series };
  return {
    run,
    contents: {
      [RUN_FILES.experiment]: `${JSON.stringify(experiment, null, 2)}\n`,
      [RUN_FILES.results]: resultsText(results),
      [RUN_FILES.series]: `${JSON.stringify(series)}\n`,
      [RUN_FILES.report]: reportPage(run),
    },
  };
}
