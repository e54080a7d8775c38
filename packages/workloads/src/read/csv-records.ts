import { pipeline } from 'node:stream';
import { CsvError, parse } from 'csv-parse';
import { quoted, TraceError } from '../trace/trace-error.js';
import { limitsOf } from '../trace/trace-limits.js';
import { openSource } from './byte-source.js';
import { EVENTS_HEADER, type FileFormat, requireFormat, SIZES_HEADER } from './file-format.js';
import { LINE_BYTES_MAX } from './line-parser.js';
import { type ReadOptions, reportProgress } from './read-options.js';

/** One record of a CSV file with the means to complain about it. */
export class CsvRecord {
  constructor(
    readonly file: string,
    /** Line number from 1. */
    readonly line: number,
    readonly fields: readonly string[],
    private readonly columns: readonly string[],
  ) {}

  text(column: number): string {
    return this.fields[column] ?? '';
  }

  /**
   * A whole decimal number of at least 0.
   *
   * @param max largest value allowed
   * @throws TraceError TRACE_CORRUPT, TRACE_OVERSIZED_NUMBER
   */
  count(column: number, max: number = Number.MAX_SAFE_INTEGER): number {
    const text = this.text(column);
    if (/^-\d+$/.test(text)) throw this.corrupt(column, 'is negative');
    if (!/^\d+$/.test(text)) throw this.corrupt(column, 'is not a whole number');
    const value = Number(text);
    if (value > max) throw this.oversized(column, max);
    return value;
  }

  /**
   * A hexadecimal number with 0x.
   *
   * @throws TraceError TRACE_CORRUPT, TRACE_OVERSIZED_NUMBER above 2^53 - 1
   */
  address(column: number): number {
    const text = this.text(column);
    if (!/^0x[0-9a-fA-F]+$/.test(text)) throw this.corrupt(column, 'is not a hexadecimal address');
    const value = Number(text);
    if (value > Number.MAX_SAFE_INTEGER) throw this.oversized(column, Number.MAX_SAFE_INTEGER);
    return value;
  }

  /** The error for a field that breaks the format. */
  corrupt(column: number, problem: string): TraceError {
    const what = `${this.columns[column]} ${problem}: ${quoted(this.text(column))}`;
    return new TraceError('TRACE_CORRUPT', { file: this.file, line: this.line, what });
  }

  private oversized(column: number, max: number): TraceError {
    const what = `${this.columns[column]} is above ${max}: ${quoted(this.text(column))}`;
    return new TraceError('TRACE_OVERSIZED_NUMBER', { file: this.file, line: this.line, what });
  }
}

const HEADERS = { events: EVENTS_HEADER, sizes: SIZES_HEADER } as const;

/**
 * The records of a CSV file with a known header, one by one.
 *
 * @throws TraceError as the readers say
 */
export async function* csvRecords(
  file: string,
  format: keyof typeof HEADERS & FileFormat,
  options: ReadOptions,
): AsyncGenerator<CsvRecord, void, void> {
  const { rowsMax } = limitsOf(options.limits);
  await requireFormat(file, format);
  const source = await openSource(file);
  const header = HEADERS[format];
  const columns = header.split(',');
  const parser = parse({ info: true, max_record_size: LINE_BYTES_MAX });
  pipeline(source.chunks(), parser, () => undefined);
  let rows = -1;
  try {
    for await (const { record, info } of parser as AsyncIterable<ParsedRecord>) {
      if (++rows === 0) {
        checkHeader(file, record, header);
        continue;
      }
      if (rows > rowsMax) throw overLimit(file, rowsMax);
      yield new CsvRecord(file, info.lines, record, columns);
      if (rows % PROGRESS_ROWS === 0) reportProgress(options, source, rows);
    }
  } catch (cause) {
    throw cause instanceof CsvError ? csvError(file, cause) : cause;
  }
  reportProgress(options, source, rows);
}

const PROGRESS_ROWS = 4096;

interface ParsedRecord {
  readonly record: readonly string[];
  readonly info: { readonly lines: number };
}

function checkHeader(file: string, record: readonly string[], header: string): void {
  if (record.join(',') === header) return;
  throw new TraceError('TRACE_HEADER_MISSING', {
    file,
    line: 1,
    what: `unknown columns ${quoted(record.join(','))}`,
    hint: `the first line must be ${header}`,
  });
}

function overLimit(file: string, rowsMax: number): TraceError {
  const what = `the file has more than ${rowsMax} rows (limit rowsMax)`;
  return new TraceError('TRACE_OVER_LIMIT', { file, what });
}

function csvError(file: string, cause: CsvError): TraceError {
  const line = typeof cause.lines === 'number' ? cause.lines : undefined;
  const what = CSV_PROBLEMS[cause.code] ?? `not valid CSV (${cause.code})`;
  return new TraceError('TRACE_CORRUPT', { file, line, what, cause });
}

const CSV_PROBLEMS: Record<string, string> = {
  CSV_RECORD_INCONSISTENT_FIELDS_LENGTH: 'another number of columns than the header',
  CSV_QUOTE_NOT_CLOSED: 'a quote is not closed',
  CSV_MAX_RECORD_SIZE: `a record is longer than ${LINE_BYTES_MAX} bytes`,
};
