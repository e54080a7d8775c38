/** What can be wrong with a file or an option, and what to do about it. */
export const TRACE_ERRORS = {
  TRACE_NOT_FOUND: 'check the path; it is relative to the current directory',
  TRACE_UNREADABLE: 'give a regular file that this user may read',
  TRACE_EMPTY: 'record or copy the file again',
  TRACE_TRUNCATED: 'the file stops early: copy it again and compare its size with the original',
  TRACE_CORRUPT: 'the file breaks its format here: copy it again, or fix what wrote it',
  TRACE_OVERSIZED_NUMBER: 'the number is beyond what the format allows: fix what wrote it',
  TRACE_WRONG_FORMAT: 'give a file of the format asked for',
  TRACE_HEADER_MISSING: 'the first line must name the columns',
  TRACE_OVER_LIMIT: 'raise the named limit, if the file is meant to be so large',
  TRACE_UNSUPPORTED: 'convert the file to a supported form',
  TRACE_BAD_OPTION: 'see the docstring of the option for its range',
} as const;

/** Code of a `TraceError`. */
export type TraceErrorCode = keyof typeof TRACE_ERRORS;

/** Where and what a `TraceError` is about. */
export interface TraceErrorDetails {
  /** What exactly: the value found, the limit broken. */
  readonly what: string;
  /** The file, as the caller named it. */
  readonly file?: string | undefined;
  /** Line number in the unpacked text, from 1. */
  readonly line?: number | undefined;
  /** Byte offset in the unpacked file, from 0. */
  readonly offset?: number | undefined;
  /** What to do, when it is better known than the code's general hint. */
  readonly hint?: string | undefined;
  readonly cause?: unknown;
}

/** A file, a record in it or an option is not usable. The message is one line. */
export class TraceError extends Error {
  override readonly name = 'TraceError';
  readonly hint: string;
  readonly file: string | undefined;
  readonly line: number | undefined;
  readonly offset: number | undefined;

  constructor(
    readonly code: TraceErrorCode,
    details: TraceErrorDetails,
  ) {
    const hint = details.hint ?? TRACE_ERRORS[code];
    super(`${place(details)}${details.what} (${hint})`, { cause: details.cause });
    this.hint = hint;
    this.file = details.file;
    this.line = details.line;
    this.offset = details.offset;
  }
}

/** Shows text from a file inside a message: one line, printable, at most 60 characters. */
export function quoted(text: string): string {
  const cut = text.length > 60 ? `${text.slice(0, 59)}…` : text;
  return JSON.stringify(cut);
}

function place(details: TraceErrorDetails): string {
  if (details.file === undefined) return '';
  if (details.line !== undefined) return `${details.file}:${details.line}: `;
  if (details.offset !== undefined) return `${details.file}, byte ${details.offset}: `;
  return `${details.file}: `;
}
