/**
 * What a user of the lab can get wrong, and what to do about it. `docs/errors.md` is generated from
 * it.
 */
export const LAB_ERRORS = {
  EXPERIMENT_NOT_FOUND: 'check the path; it is relative to the current directory',
  EXPERIMENT_UNLOADABLE: 'the file must be a module that this Node can run',
  EXPERIMENT_INVALID: 'the file must have `export default defineExperiment({...})`',
  VARIANT_UNKNOWN: 'give the name of a variant of the experiment',
  BACKEND_UNKNOWN: 'give names out of the list that `mm-lab compare --help` shows',
  OPTION_BAD: 'see `mm-lab help COMMAND` for what each option takes',
  SIZE_BAD: 'write a size as 64M, 1.5G, 512K or 3000pages, a whole number of 4 KiB pages',
  WORKLOAD_UNKNOWN: 'give the name of a shipped trace or the path of a trace file',
  CLAIM_UNCHECKABLE: 'a claim may only read statistics and figures that the run reports',
  FIGURES_FAILED: 'see the `figures` function of the experiment',
  OUTPUT_EXISTS: 'give another folder with --out, or remove this one',
  OUTPUT_UNWRITABLE: 'give a folder that this user may write with --out',
  OUTPUT_DISK_FULL: 'make room, or give a folder on another disk with --out; nothing was kept',
  RESULTS_UNREADABLE: 'give a folder that `mm-lab run` or `mm-lab compare` left',
  WORKER_LOST: 'the machine may be out of memory: run fewer variants, or fewer rows with --rows',
  CASES_UNREADABLE: 'give records, cases or a folder of them; see `mm-lab help conform`',
  INTERRUPTED: 'nothing was written',
} as const;

/** Code of a `LabError`. */
export type LabErrorCode = keyof typeof LAB_ERRORS;

/** A user's mistake at the lab's edge. The message is one line: what, then what to do. */
export class LabError extends Error {
  override readonly name = 'LabError';
  readonly hint: string;

  constructor(
    readonly code: LabErrorCode,
    what: string,
    options: { readonly hint?: string; readonly cause?: unknown } = {},
  ) {
    const hint = options.hint ?? LAB_ERRORS[code];
    super(`${oneLine(what)} (${hint})`, { cause: options.cause });
    this.hint = hint;
  }
}

/** The names of errors that a user's mistake causes; two copies of a package may be loaded. */
const EXPECTED_NAMES: ReadonlySet<string> = new Set(['LabError', 'MmError', 'TraceError']);

/** Is it somebody's mistake, told in one line, rather than a bug that needs a stack? */
export function isExpectedError(error: unknown): error is Error {
  return error instanceof Error && EXPECTED_NAMES.has(error.name);
}

/** The message of whatever was thrown, as one line. */
export function messageOf(error: unknown): string {
  return oneLine(error instanceof Error ? error.message : String(error));
}

function oneLine(text: string): string {
  return text.replace(/\s*\n\s*/g, ' ').trim();
}
