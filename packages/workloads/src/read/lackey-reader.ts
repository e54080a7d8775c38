import { ACCESS_KIND, type PageTrace } from '../trace/page-trace.js';
import { TraceBuilder } from '../trace/trace-builder.js';
import { quoted, TraceError } from '../trace/trace-error.js';
import { openSource, stemOf } from './byte-source.js';
import { requireFormat } from './file-format.js';
import { feedLines, type LineConsumer, lineAt } from './line-parser.js';
import { builtTrace, checkLimitRows, ROW_ACCESSES_MAX } from './page-trace-reader.js';
import { reportProgress, type TraceReadOptions } from './read-options.js';

/** Options of `readLackey`. */
export interface LackeyReadOptions extends Omit<TraceReadOptions, 'timeQuantum'> {
  /**
   * Instructions of a window: within one, accesses of a page in one way become one row. Default
   * 100,000. Times are rounded down to a multiple of its 32nd part.
   */
  readonly windowInstructions?: number;
}

const WINDOW_INSTRUCTIONS = 100_000;
const QUANTA_PER_WINDOW = 32;
const PAGE_SHIFT = 12;
/** Largest address: 48 bits. */
const ADDRESS_LIMIT = 2 ** 48;
/** Largest size of one access that makes sense: an XSAVE area is below 16 KiB. */
const ACCESS_BYTES_MAX = 65536;

/**
 * Reads the text of `valgrind --tool=lackey --trace-mem=yes` (plain or packed) and coalesces it
 * into windows. An access over a page boundary counts on each page; a modify counts as a load and
 * as a store; valgrind's own `==pid==` lines are left out. Rows come in the order of first access.
 * `t` counts instructions: the access's own instruction included.
 *
 * @throws TraceError as `readPageTrace`
 */
export async function readLackey(
  file: string,
  options: LackeyReadOptions = {},
): Promise<PageTrace> {
  const limitRows = checkLimitRows(options.limitRows);
  const window = options.windowInstructions ?? WINDOW_INSTRUCTIONS;
  if (!Number.isSafeInteger(window) || window < 1) {
    throw new TraceError('TRACE_BAD_OPTION', { what: `windowInstructions is ${window}` });
  }
  const quantum = Math.max(1, Math.floor(window / QUANTA_PER_WINDOW));
  const { limits } = options;
  const builder = new TraceBuilder({
    name: options.name ?? stemOf(file),
    timeQuantum: quantum,
    file,
    ...(limits === undefined ? {} : { limits }),
  });
  await requireFormat(file, 'lackey');
  const source = await openSource(file);
  const kindFirst = options.ops === 'all' ? ACCESS_KIND.instruction : ACCESS_KIND.read;
  const parser = new LackeyParser({ file, builder, kindFirst, limitRows, window, quantum });
  await feedLines(source, parser, () => reportProgress(options, source, builder.rows));
  parser.end();
  return builtTrace(builder, file);
}

interface ParserOptions {
  readonly file: string;
  readonly builder: TraceBuilder;
  readonly kindFirst: number;
  readonly limitRows: number;
  readonly window: number;
  readonly quantum: number;
}

/** Rows of one window, held in memory until it ends. */
const WINDOW_ROWS_MAX = 2 ** 22;

/** One row of the current window. */
interface OpenRow {
  readonly t: number;
  readonly vpn: number;
  readonly kind: number;
  n: number;
}

class LackeyParser implements LineConsumer {
  private line = 0;
  private instructions = 0;
  private windowEnd: number;
  /** Rows of the current window in the order of first access, by vpn * 8 + kind. */
  private readonly open = new Map<number, OpenRow>();
  private address = 0;
  private size = 0;

  constructor(private readonly options: ParserOptions) {
    this.windowEnd = options.window;
  }

  lines(bytes: Uint8Array, end: number): boolean {
    let at = 0;
    while (at < end) {
      this.line++;
      const next = bytes.indexOf(10, at) + 1;
      const letter = bytes[at + 1]!;
      if (bytes[at] === 0x49 ? letter === 0x20 : bytes[at] === 0x20 && letter >= 0x41) {
        this.record(bytes, at);
        if (this.options.builder.rows >= this.options.limitRows) return false;
      } else if (bytes[at] !== 0x3d || letter !== 0x3d) {
        this.reject(bytes, at);
      }
      at = next;
    }
    return true;
  }

  /** Writes the last window. */
  end(): void {
    this.flush();
  }

  private record(bytes: Uint8Array, at: number): void {
    this.numbers(bytes, at);
    if (bytes[at] === 0x49) {
      if (this.instructions === this.windowEnd) {
        this.flush();
        this.windowEnd += this.options.window;
      }
      this.instructions++;
      this.count(ACCESS_KIND.instruction);
      return;
    }
    switch (bytes[at + 1]) {
      case 0x4c: // L
        this.count(ACCESS_KIND.read);
        return;
      case 0x53: // S
        this.count(ACCESS_KIND.write);
        return;
      case 0x4d: // M
        this.count(ACCESS_KIND.read);
        this.count(ACCESS_KIND.write);
        return;
      default:
        this.reject(bytes, at);
    }
  }

  private count(kind: number): void {
    const { quantum, kindFirst, file } = this.options;
    if (kind < kindFirst) return;
    const first = Math.floor(this.address / 2 ** PAGE_SHIFT);
    const last = Math.floor((this.address + this.size - 1) / 2 ** PAGE_SHIFT);
    for (let vpn = first; vpn <= last; vpn++) {
      const key = vpn * 8 + kind;
      const row = this.open.get(key);
      if (row === undefined) {
        const t = Math.floor(this.instructions / quantum) * quantum;
        if (this.open.size === WINDOW_ROWS_MAX) this.windowTooLarge();
        this.open.set(key, { t, vpn, kind, n: 1 });
      } else if (row.n < ROW_ACCESSES_MAX) {
        row.n++;
      } else {
        const what = `over ${ROW_ACCESSES_MAX} accesses of a page in a window`;
        const hint = 'choose a smaller windowInstructions';
        throw new TraceError('TRACE_OVERSIZED_NUMBER', { file, line: this.line, what, hint });
      }
    }
  }

  private flush(): void {
    const { builder, limitRows } = this.options;
    for (const { t, vpn, kind, n } of this.open.values()) {
      if (builder.rows >= limitRows) break;
      builder.add(t, vpn, kind, n);
    }
    this.open.clear();
  }

  /** Parses `ADDRESS,SIZE` from the fourth byte of the line on. */
  private numbers(bytes: Uint8Array, lineStart: number): void {
    let at = lineStart + 3;
    let address = 0;
    for (let digit = hexDigit(bytes[at]!); digit >= 0; digit = hexDigit(bytes[++at]!)) {
      address = address * 16 + digit;
    }
    const hexDigits = at - lineStart - 3;
    let size = 0;
    const comma = at;
    while (bytes[++at]! >= 48 && bytes[at]! <= 57) size = size * 10 + (bytes[at]! - 48);
    const sizeDigits = at - comma - 1;
    if (bytes[at] === 13) at++;
    const wellFormed = bytes[lineStart + 2] === 0x20 && bytes[comma] === 0x2c && bytes[at] === 10;
    if (!wellFormed || hexDigits === 0 || hexDigits > 16 || sizeDigits === 0 || size === 0) {
      this.reject(bytes, lineStart);
    }
    if (address + size > ADDRESS_LIMIT || size > ACCESS_BYTES_MAX) this.tooLarge(bytes, lineStart);
    this.address = address;
    this.size = size;
  }

  private windowTooLarge(): never {
    throw new TraceError('TRACE_OVER_LIMIT', {
      file: this.options.file,
      line: this.line,
      what: `a window has more than ${WINDOW_ROWS_MAX} rows`,
      hint: 'choose a smaller windowInstructions',
    });
  }

  private reject(bytes: Uint8Array, lineStart: number): never {
    const what = `not a lackey record: ${quoted(lineAt(bytes, lineStart))}`;
    throw new TraceError('TRACE_CORRUPT', { file: this.options.file, line: this.line, what });
  }

  private tooLarge(bytes: Uint8Array, lineStart: number): never {
    throw new TraceError('TRACE_OVERSIZED_NUMBER', {
      file: this.options.file,
      line: this.line,
      what: `the access is over 64 KiB or ends above 2^48: ${quoted(lineAt(bytes, lineStart))}`,
    });
  }
}

function hexDigit(byte: number): number {
  if (byte >= 48 && byte <= 57) return byte - 48;
  if (byte >= 97 && byte <= 102) return byte - 87;
  if (byte >= 65 && byte <= 70) return byte - 55;
  return -1;
}
