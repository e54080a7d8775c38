import { dirname, join, resolve } from 'node:path';
import {
  hotColdTrace,
  openTrace,
  type PageCapture,
  type PageTrace,
  phasedTrace,
  type ReadProgress,
  readCapture,
  readEvents,
  SHIPPED_TRACES,
  scanTrace,
  shippedTrace,
  uniformTrace,
  zipfTrace,
} from '@mm-lab/workloads';
import { LabError } from '../error/lab-error.js';
import { firstRows } from './first-rows.js';
import type { LoadedWorkload } from './loaded-workload.js';
import type { GeneratedTrace, TraceWorkload, WorkloadSpec } from './workload-spec.js';

/** How far reading the trace is. */
export interface FileProgress {
  /** 0..1. */
  readonly share: number;
}

/** Options of `loadWorkload`. */
export interface LoadOptions {
  readonly seed: number;
  /** Folder that relative paths start from. */
  readonly folder: string;
  /** Play at most so many rows, whatever the workload says. */
  readonly rowsMax?: number | undefined;
  readonly onProgress?: ((progress: FileProgress) => void) | undefined;
}

/** Paths of the files of a trace workload, shipped names looked up. */
interface TraceFiles {
  readonly trace: string;
  readonly core: string | undefined;
  readonly sizes: string | undefined;
  readonly description: string | undefined;
  readonly events: string | undefined;
}

/**
 * Reads or generates a workload into shared memory.
 *
 * @throws LabError WORKLOAD_UNKNOWN; TraceError for a file or an option that is no good
 */
export async function loadWorkload(
  spec: WorkloadSpec,
  options: LoadOptions,
): Promise<LoadedWorkload> {
  if (!('trace' in spec)) {
    const rows = rowsWanted(spec.options.rows, spec, options);
    const trace = generatedTrace(spec, rows, options.seed);
    return { trace, capture: undefined, contents: spec.contents, events: undefined };
  }
  const files = filesOf(spec, options.folder);
  const limitRows = Math.min(spec.limitRows ?? Infinity, options.rowsMax ?? Infinity);
  const opened = await openTrace(files.trace, {
    ...(Number.isFinite(limitRows) ? { limitRows } : {}),
    onProgress: (progress) => options.onProgress?.({ share: shareOf(progress) }),
  });
  const trace = firstRows(opened, opened.rows * (spec.scale ?? 1));
  const capture = spec.contents === undefined ? await captureOf(files) : undefined;
  const events = files.events === undefined ? undefined : await readEvents(files.events);
  return { trace, capture, contents: spec.contents, events };
}

function generatedTrace(spec: GeneratedTrace, rows: number, seed: number): PageTrace {
  switch (spec.generator) {
    case 'zipf':
      return zipfTrace({ ...spec.options, rows, seed });
    case 'hot-cold':
      return hotColdTrace({ ...spec.options, rows, seed });
    case 'phases':
      return phasedTrace({ ...spec.options, rows, seed });
    case 'scan':
      return scanTrace({ ...spec.options, rows, seed });
    case 'uniform':
      return uniformTrace({ ...spec.options, rows, seed });
  }
}

function rowsWanted(rows: number, spec: WorkloadSpec, options: LoadOptions): number {
  const scaled = Math.max(1, Math.floor(rows * (spec.scale ?? 1)));
  return Math.min(scaled, spec.limitRows ?? Infinity, options.rowsMax ?? Infinity);
}

function filesOf(spec: TraceWorkload, folder: string): TraceFiles {
  const at = (path: string | undefined) => (path === undefined ? undefined : resolve(folder, path));
  const own = {
    core: at(spec.pages),
    sizes: at(spec.sizes),
    description: at(spec.description),
    events: at(spec.events),
  };
  const isPath = /[./\\]/.test(spec.trace);
  if (isPath) {
    const trace = resolve(folder, spec.trace);
    return { ...own, trace, description: own.description ?? descriptionBeside(trace) };
  }
  if (!SHIPPED_TRACES.some((name) => name === spec.trace)) {
    const what = `no trace called ${JSON.stringify(spec.trace)} is shipped`;
    const hint = `give one of ${SHIPPED_TRACES.join(', ')}, or a path such as ./${spec.trace}`;
    throw new LabError('WORKLOAD_UNKNOWN', what, { hint });
  }
  const shipped = shippedTrace(spec.trace);
  return {
    trace: shipped.trace,
    core: own.core ?? shipped.core,
    sizes: own.sizes ?? shipped.sizes,
    description: own.description ?? shipped.description,
    events: own.events ?? shipped.events,
  };
}

/** Contents need all three files of a recording; with none of them they are made up. */
async function captureOf(files: TraceFiles): Promise<PageCapture | undefined> {
  const { core, sizes, description } = files;
  if (core === undefined && sizes === undefined) return undefined;
  if (core === undefined || sizes === undefined || description === undefined) {
    const missing = core === undefined ? 'pages' : 'sizes';
    throw new LabError('WORKLOAD_UNKNOWN', 'page contents need a core and a table of sizes', {
      hint: `give \`${missing}\` too, or neither for made-up contents`,
    });
  }
  return readCapture({ core, sizes, description });
}

function descriptionBeside(trace: string): string {
  const stem = trace.replace(/^.*[/\\]/, '').replace(/\..*$/, '');
  return join(dirname(trace), `${stem}.json`);
}

function shareOf({ bytesRead, bytesTotal }: ReadProgress): number {
  return bytesTotal === 0 ? 1 : bytesRead / bytesTotal;
}
