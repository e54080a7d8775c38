import { Prng } from '@mm-lab/mm-core';
import { checkCount, checkRange } from '../trace/check-option.js';
import { ACCESS_KIND, type PageTrace, VPN_LIMIT } from '../trace/page-trace.js';
import { TraceBuilder } from '../trace/trace-builder.js';

/** Options of every generator. */
export interface GeneratorOptions {
  /** Rows of the trace, 1 to 2^26; each is one access. */
  readonly rows: number;
  /** Pages that may be accessed, 1 to 2^24. */
  readonly pages: number;
  /** Any 32-bit integer; equal options give equal traces. */
  readonly seed: number;
  /** Chance that a row is a store, 0 to 1; default 0.3. */
  readonly writeShare?: number;
  /** Instructions between two rows, at least 1; default 1000. */
  readonly instructionsPerRow?: number;
  /** First virtual page number; default 0x10000 (address 256 MiB). */
  readonly firstVpn?: number;
  /** Name of the trace; default: that of the generator. */
  readonly name?: string;
}

const ROWS_MAX = 2 ** 26;
const PAGES_MAX = 2 ** 24;
const WRITE_SHARE = 0.3;
const INSTRUCTIONS_PER_ROW = 1000;
const FIRST_VPN = 0x10000;

/** Draws the page of a row as an index from 0 to pages - 1. */
export type PageDraw = (prng: Prng, row: number) => number;

/** Draws whether a row of that page is a store. */
export type WriteDraw = (prng: Prng, page: number) => boolean;

/** What a generator adds to the common options. */
export interface Generator {
  readonly name: string;
  readonly drawPage: PageDraw;
  /** Default: by `writeShare` alone. */
  readonly drawWrite?: WriteDraw;
}

/**
 * Checks the common options.
 *
 * @throws TraceError TRACE_BAD_OPTION
 */
export function checkGenerator(options: GeneratorOptions): void {
  checkCount({ name: 'rows', value: options.rows, max: ROWS_MAX });
  checkCount({ name: 'pages', value: options.pages, max: PAGES_MAX });
  const { writeShare = WRITE_SHARE, instructionsPerRow = INSTRUCTIONS_PER_ROW } = options;
  checkRange({ name: 'writeShare', value: writeShare, min: 0, max: 1 });
  checkCount({ name: 'instructionsPerRow', value: instructionsPerRow, max: 2 ** 24 });
  const { firstVpn = FIRST_VPN } = options;
  checkCount({ name: 'firstVpn', value: firstVpn, min: 0, max: VPN_LIMIT - options.pages });
}

/** Runs a generator; the options must have been checked. */
export function generate(options: GeneratorOptions, generator: Generator): PageTrace {
  const { rows, writeShare = WRITE_SHARE, firstVpn = FIRST_VPN } = options;
  const { instructionsPerRow = INSTRUCTIONS_PER_ROW } = options;
  const prng = new Prng(options.seed);
  const drawWrite = generator.drawWrite ?? ((prng) => prng.chance(writeShare));
  const builder = new TraceBuilder({
    name: options.name ?? generator.name,
    timeQuantum: instructionsPerRow,
    rowsExpected: rows,
  });
  for (let row = 0; row < rows; row++) {
    const page = generator.drawPage(prng, row);
    const kind = drawWrite(prng, page) ? ACCESS_KIND.write : ACCESS_KIND.read;
    builder.add(row * instructionsPerRow, firstVpn + page, kind, 1);
  }
  return builder.build();
}

/** The numbers 0 to count - 1 in an order by chance (Fisher and Yates). */
export function shuffled(count: number, prng: Prng): Int32Array {
  const order = Int32Array.from({ length: count }, (_, i) => i);
  for (let i = count - 1; i > 0; i--) {
    const j = prng.below(i + 1);
    const swapped = order[i]!;
    order[i] = order[j]!;
    order[j] = swapped;
  }
  return order;
}
