import { existsSync, statSync } from 'node:fs';
import { basename, extname } from 'node:path';
import { pathToFileURL } from 'node:url';
import { compareExperiment } from '../compare/compare-experiment.js';
import { isExpectedError, LabError, messageOf } from '../error/lab-error.js';
import type { Probe } from '../probe/probe.js';
import type { Experiment } from './experiment.js';
import type { ExperimentRef } from './experiment-ref.js';

/** An experiment with the name that its results carry. */
export interface NamedExperiment extends Experiment {
  readonly name: string;
}

/** A probe with the name that its results carry. */
export interface NamedProbe extends Probe {
  readonly name: string;
}

/**
 * As `loadRunnable`, for who can use experiments only.
 *
 * @throws LabError as `loadRunnable`
 */
export async function loadExperiment(ref: ExperimentRef): Promise<NamedExperiment> {
  const found = await loadRunnable(ref);
  if (found.kind === 'mm-lab experiment') return found;
  throw new LabError('EXPERIMENT_INVALID', `${found.name} is a probe: it has no variants`);
}

/**
 * Imports the file of an experiment or a probe, or builds the experiment that `mm-lab compare`
 * describes.
 *
 * @throws LabError EXPERIMENT_NOT_FOUND, EXPERIMENT_UNLOADABLE, EXPERIMENT_INVALID
 */
export async function loadRunnable(ref: ExperimentRef): Promise<NamedExperiment | NamedProbe> {
  if (ref.kind === 'compare') return { ...compareExperiment(ref.options), name: 'compare' };
  const { path } = ref;
  if (!existsSync(path)) throw new LabError('EXPERIMENT_NOT_FOUND', `there is no file ${path}`);
  if (!statSync(path).isFile()) {
    throw new LabError('EXPERIMENT_NOT_FOUND', `${path} is not a file`);
  }
  const found = exported(await importModule(path));
  const stem = basename(path, extname(path));
  if (isExperiment(found)) return { ...found, name: found.name ?? stem };
  if (isProbe(found)) return { ...found, name: found.name ?? stem };
  throw new LabError('EXPERIMENT_INVALID', `${path} exports no experiment by default`);
}

async function importModule(path: string): Promise<unknown> {
  try {
    return await import(pathToFileURL(path).href);
  } catch (error) {
    if (isExpectedError(error)) throw new LabError('EXPERIMENT_INVALID', placed(path, error));
    throw new LabError('EXPERIMENT_UNLOADABLE', placed(path, error), { cause: error });
  }
}

function placed(path: string, error: unknown): string {
  return `${path}: ${messageOf(error)}`;
}

function exported(module: unknown): unknown {
  const isModule = typeof module === 'object' && module !== null && 'default' in module;
  return isModule ? module.default : undefined;
}

function isExperiment(value: unknown): value is Experiment {
  return kindOf(value) === 'mm-lab experiment';
}

function isProbe(value: unknown): value is Probe {
  return kindOf(value) === 'mm-lab probe';
}

function kindOf(value: unknown): unknown {
  return typeof value === 'object' && value !== null && 'kind' in value ? value.kind : undefined;
}
