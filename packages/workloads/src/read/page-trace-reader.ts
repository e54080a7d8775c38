import { type PageTrace, VPN_LIMIT } from '../trace/page-trace.js';
import { TraceBuilder } from '../trace/trace-builder.js';
import { quoted, TraceError } from '../trace/trace-error.js';
import { openSource, stemOf } from './byte-source.js';
import { requireFormat } from './file-format.js';
import { feedLines, type LineConsumer, lineAt } from './line-parser.js';
import { reportProgress, type TraceReadOptions } from './read-options.js';

/** Largest `n` of a row: it must fit an int32. */
export const ROW_ACCESSES_MAX = 2 ** 31 - 1;

/** No number of the format has more digits; 17 could lose precision in a double. */
const DIGITS_MAX = 16;

const COMMA = 44;
const LINE_FEED = 10;
const CARRIAGE_RETURN = 13;

/** Number of `ACCESS_KIND` by ASCII code, 255 for none. */
const KIND_BY_LETTER = new Uint8Array(256).fill(255);
for (const [kind, letter] of [...'IRWrw'].entries()) {
  KIND_BY_LETTER[letter.charCodeAt(0)] = kind;
}

/**
 * Reads a page trace: CSV with the header `t,vpn,op,n`, plain or packed with gzip or zstd.
 * Streaming: besides the columns it holds one piece of the text.
 *
 * @throws TraceError TRACE_NOT_FOUND, TRACE_UNREADABLE, TRACE_EMPTY (also when no row is kept),
 *   TRACE_TRUNCATED, TRACE_CORRUPT, TRACE_OVERSIZED_NUMBER, TRACE_WRONG_FORMAT,
 *   TRACE_HEADER_MISSING, TRACE_OVER_LIMIT, TRACE_BAD_OPTION
 */
export async function readPageTrace(
  file: string,
  options: TraceReadOptions = {},
): Promise<PageTrace> {
  const limitRows = checkLimitRows(options.limitRows);
  const { limits } = options;
  const builder = new TraceBuilder({
    name: options.name ?? stemOf(file),
    timeQuantum: options.timeQuantum ?? 1,
    file,
    ...(limits === undefined ? {} : { limits }),
  });
  await requireFormat(file, 'page-trace');
  const source = await openSource(file);
  const kindFirst = options.ops === 'all' ? 0 : 1;
  const parser = new PageTraceParser({ file, builder, kindFirst, limitRows });
  await feedLines(source, parser, () => reportProgress(options, source, builder.rows));
  return builtTrace(builder, file);
}

/**
 * The option `limitRows`, Infinity when absent.
 *
 * @throws TraceError TRACE_BAD_OPTION unless a whole number of at least 1
 */
export function checkLimitRows(limitRows: number | undefined): number {
  if (limitRows === undefined) return Infinity;
  if (Number.isSafeInteger(limitRows) && limitRows >= 1) return limitRows;
  throw new TraceError('TRACE_BAD_OPTION', { what: `limitRows is ${limitRows}` });
}

/**
 * The builder's trace.
 *
 * @throws TraceError TRACE_EMPTY when it has no row
 */
export function builtTrace(builder: TraceBuilder, file: string): PageTrace {
  if (builder.rows > 0) return builder.build();
  throw new TraceError('TRACE_EMPTY', {
    file,
    what: 'the trace has no row of the kinds asked for',
    hint: "record the program again, or ask for ops: 'all'",
  });
}

interface ParserOptions {
  readonly file: string;
  readonly builder: TraceBuilder;
  /** Rows of a lower kind are checked and left out. */
  readonly kindFirst: number;
  readonly limitRows: number;
}

/** The hot loop over the bytes; its speed against CSV libraries is in docs/decisions.md. */
class PageTraceParser implements LineConsumer {
  private bytes: Uint8Array = new Uint8Array(0);
  private at = 0;
  private line = 1;
  private tBefore = 0;

  constructor(private readonly options: ParserOptions) {}

  lines(bytes: Uint8Array, end: number): boolean {
    const { builder, kindFirst, limitRows } = this.options;
    this.bytes = bytes;
    this.at = 0;
    if (this.line === 1) this.skipHeader();
    while (this.at < end) {
      const lineStart = this.at;
      const t = this.number(COMMA);
      const vpn = this.number(COMMA);
      const kind = this.kind();
      const n = this.number(LINE_FEED);
      if (t < this.tBefore || vpn < 0 || kind < 0 || n < 1) this.reject(lineStart);
      if (vpn >= VPN_LIMIT || n > ROW_ACCESSES_MAX || t > Number.MAX_SAFE_INTEGER) {
        this.reject(lineStart);
      }
      this.line++;
      this.tBefore = t;
      if (kind < kindFirst) continue;
      builder.add(t, vpn, kind, n);
      if (builder.rows === limitRows) return false;
    }
    return true;
  }

  private skipHeader(): void {
    this.at = this.bytes.indexOf(LINE_FEED) + 1;
    this.line = 2;
  }

  /** A decimal number that ends with the byte `stop`, or -1. */
  private number(stop: number): number {
    const { bytes } = this;
    const start = this.at;
    let at = start;
    let byte = bytes[at]!;
    let value = 0;
    while (byte >= 48 && byte <= 57) {
      value = value * 10 + (byte - 48);
      byte = bytes[++at]!;
    }
    if (at === start || at - start > DIGITS_MAX) return -1;
    if (byte === CARRIAGE_RETURN && stop === LINE_FEED) byte = bytes[++at]!;
    if (byte !== stop) return -1;
    this.at = at + 1;
    return value;
  }

  private kind(): number {
    const kind = KIND_BY_LETTER[this.bytes[this.at]!]!;
    if (kind === 255 || this.bytes[this.at + 1] !== COMMA) return -1;
    this.at += 2;
    return kind;
  }

  private reject(lineStart: number): never {
    const text = lineAt(this.bytes, lineStart);
    throw rowError(text, { file: this.options.file, line: this.line, tBefore: this.tBefore });
  }
}

interface RowContext {
  readonly file: string;
  readonly line: number;
  readonly tBefore: number;
}

/** Says what is wrong with a row that the hot loop refused. */
function rowError(text: string, context: RowContext): TraceError {
  const { file, line } = context;
  const corrupt = (what: string) => new TraceError('TRACE_CORRUPT', { file, line, what });
  const fields = text.split(',');
  if (fields.length !== 4) {
    return corrupt(`${fields.length} columns instead of 4 in ${quoted(text)}`);
  }
  const [t = '', vpn = '', op = '', n = ''] = fields;
  for (const [name, field] of Object.entries({ t, vpn, n })) {
    if (/^-\d+$/.test(field)) return corrupt(`${name} is negative: ${quoted(field)}`);
    if (!/^\d+$/.test(field)) return corrupt(`${name} is not a whole number: ${quoted(field)}`);
  }
  if (op.length !== 1 || !'IRWrw'.includes(op)) return corrupt(`unknown op ${quoted(op)}`);
  const tooLarge = (name: string, limit: string) =>
    new TraceError('TRACE_OVERSIZED_NUMBER', { file, line, what: `${name} is not below ${limit}` });
  if (t.length > DIGITS_MAX || Number(t) > Number.MAX_SAFE_INTEGER) return tooLarge('t', '2^53');
  if (vpn.length > DIGITS_MAX || Number(vpn) >= VPN_LIMIT) return tooLarge('vpn', '2^36');
  if (n.length > DIGITS_MAX || Number(n) > ROW_ACCESSES_MAX) return tooLarge('n', '2^31');
  if (n === '0' || Number(n) === 0) return corrupt('n is 0: a row stands for at least one access');
  return corrupt(`t decreases from ${context.tBefore} to ${t}`);
}
