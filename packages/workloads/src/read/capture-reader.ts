import type { PageCapture } from '../pages/page-capture.js';
import { sharedFloat64 } from '../trace/shared-columns.js';
import type { TraceDescription } from '../trace/trace-description.js';
import { TraceError } from '../trace/trace-error.js';
import { readCore } from './core-reader.js';
import { readDescription } from './description-reader.js';
import type { ReadOptions } from './read-options.js';
import { readSizes } from './sizes-reader.js';

/** The three files of one recorded run that say what its pages held. */
export interface CaptureFiles {
  readonly core: string;
  readonly sizes: string;
  readonly description: string;
}

/**
 * Reads the recorded page contents of a run.
 *
 * @throws TraceError as `readCore`, `readSizes` and `readDescription`; TRACE_CORRUPT when they are
 *   of different runs
 */
export async function readCapture(
  files: CaptureFiles,
  options: ReadOptions = {},
): Promise<PageCapture> {
  const description = await readDescription(files.description, options);
  const core = await readCore(files.core, options);
  const sizes = await readSizes(files.sizes, options);
  const progress = progressOf(description);
  const fail = (what: string) =>
    new TraceError('TRACE_CORRUPT', {
      file: files.description,
      what,
      hint: 'give the core, sizes and description of one and the same run',
    });
  if (progress.length !== sizes.snapshots) {
    throw fail(`${progress.length} snapshots, but the sizes have ${sizes.snapshots}`);
  }
  if (description.core.snap >= progress.length) {
    throw fail(`the core is of snapshot ${description.core.snap}, which does not exist`);
  }
  if (description.core.pages !== core.pages) {
    throw fail(`${description.core.pages} pages in the core, but the core has ${core.pages}`);
  }
  return { name: description.program, core, coreSnap: description.core.snap, sizes, progress };
}

function progressOf(description: TraceDescription): Float64Array {
  const { snapshots, instructions } = description;
  const progress = snapshots.map(({ t }) => Math.min(1, t / instructions));
  return sharedFloat64(progress.sort((a, b) => a - b));
}
