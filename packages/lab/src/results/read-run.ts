import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { z } from 'zod';
import { LabError, messageOf } from '../error/lab-error.js';
import type { Results } from './results.js';
import {
  type ResolvedExperiment,
  RUN_FILES,
  type SeriesFile,
  type SitesFile,
} from './run-files.js';

const numbers = z.record(z.string(), z.number());
const axes = {
  xLog: z.boolean().optional(),
  yLog: z.boolean().optional(),
  xTitle: z.string().optional(),
  yTitle: z.string().optional(),
};
const lines = z.object({
  kind: z.literal('lines').optional(),
  x: z.string(),
  y: z.array(z.string()),
  ...axes,
});
const bars = z.object({
  kind: z.literal('bars'),
  x: z.array(z.string()),
  y: z.array(z.string()),
  log: z.boolean().optional(),
  title: z.string().optional(),
});
const plane = z.object({
  kind: z.literal('plane'),
  x: z.string(),
  y: z.string(),
  colour: z.string(),
  bad: z.array(z.string()).optional(),
  curves: z.array(z.object({ name: z.string(), points: z.array(z.array(z.number())) })).optional(),
  ...axes,
});
const figures = z.object({
  values: numbers,
  tables: z.array(
    z.object({
      name: z.string(),
      title: z.string(),
      columns: z.array(z.string()),
      rows: z.array(z.array(z.union([z.string(), z.number()]))),
      chart: z.union([plane, bars, lines]).optional(),
      plotOnly: z.boolean().optional(),
    }),
  ),
});
const results: z.ZodType<Results> = z.object({
  experiment: z.string(),
  question: z.string(),
  seed: z.number(),
  commit: z.string(),
  variants: z.array(z.object({ name: z.string(), plugins: z.array(z.string()), stats: numbers })),
  claims: z.array(z.object({ text: z.string(), holds: z.boolean() })),
  figures: figures.optional(),
});

const column = z.array(z.number());
const series: z.ZodType<SeriesFile> = z.object({
  variants: z.array(
    z.object({
      name: z.string(),
      series: z.object({
        intervalNs: z.number(),
        time: column,
        progress: column,
        columns: z.record(z.string(), column),
      }),
      latency: z.object({ upperNs: column, count: column }),
    }),
  ),
});

/** Files that only the lab writes: their outline is checked, their depth is trusted. */
const experiment = z.custom<ResolvedExperiment>(hasVariants, 'must be a resolved experiment');
const sites = z.custom<SitesFile>(hasVariants, 'must be a table of sites');

/** What a report is made of. */
export interface StoredRun {
  readonly results: Results;
  readonly experiment: ResolvedExperiment;
  readonly series: SeriesFile;
}

/**
 * Reads the folder of a run.
 *
 * @throws LabError RESULTS_UNREADABLE if a file is missing, no JSON, or not of the lab's making
 */
export function readRun(folder: string): StoredRun {
  return {
    results: readChecked(join(folder, RUN_FILES.results), results),
    experiment: readChecked(join(folder, RUN_FILES.experiment), experiment),
    series: readChecked(join(folder, RUN_FILES.series), series),
  };
}

/**
 * Reads `sites.json` of a run, which an experiment without a trace does not leave.
 *
 * @throws LabError RESULTS_UNREADABLE
 */
export function readSites(folder: string): SitesFile {
  const isRun = existsSync(join(folder, RUN_FILES.results));
  if (isRun && !existsSync(join(folder, RUN_FILES.sites))) {
    const what = `the experiment of ${folder} plays no trace, so no sites were counted`;
    throw new LabError('RESULTS_UNREADABLE', what, { hint: 'give a run of one that has variants' });
  }
  return readChecked(join(folder, RUN_FILES.sites), sites);
}

function readChecked<T>(path: string, shape: z.ZodType<T>): T {
  if (!existsSync(path)) throw new LabError('RESULTS_UNREADABLE', `there is no ${path}`);
  let content: unknown;
  try {
    content = JSON.parse(readFileSync(path, 'utf8'));
  } catch (error) {
    throw new LabError('RESULTS_UNREADABLE', `${path}: ${messageOf(error)}`, { cause: error });
  }
  const checked = shape.safeParse(content);
  if (checked.success) return checked.data;
  const [first] = checked.error.issues;
  const where = first?.path.map(String).join('.') ?? '';
  throw new LabError('RESULTS_UNREADABLE', `${path}: ${where} ${first?.message ?? 'is wrong'}`);
}

function hasVariants(value: unknown): boolean {
  const isObject = typeof value === 'object' && value !== null && 'variants' in value;
  return isObject && Array.isArray(value.variants);
}
