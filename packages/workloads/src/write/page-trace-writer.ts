import { createWriteStream } from 'node:fs';
import { pipeline } from 'node:stream/promises';
import { constants, createGzip, createZstdCompress } from 'node:zlib';
import type { Compression } from '../read/byte-source.js';
import { PAGE_TRACE_HEADER } from '../read/file-format.js';
import { ACCESS_LETTERS, type PageTrace, vpnOfRow } from '../trace/page-trace.js';
import { TraceError } from '../trace/trace-error.js';

/** Options of `writePageTrace`. */
export interface WriteOptions {
  /** Default: by the file's name, `.gz` gzip, `.zst` zstd, else none. */
  readonly compression?: Compression;
}

const ROWS_PER_PIECE = 8192;

/**
 * Writes a trace as page-trace CSV; `readPageTrace` with `ops: 'all'` gives the same columns back.
 *
 * @throws TraceError TRACE_UNREADABLE when the file cannot be written
 */
export async function writePageTrace(
  trace: PageTrace,
  file: string,
  options: WriteOptions = {},
): Promise<void> {
  const compression = options.compression ?? compressionByName(file);
  const target = createWriteStream(file);
  try {
    if (compression === 'gzip') await pipeline(pieces(trace), createGzip(), target);
    else if (compression === 'zstd') {
      const params = { [constants.ZSTD_c_checksumFlag]: 1 };
      await pipeline(pieces(trace), createZstdCompress({ params }), target);
    } else await pipeline(pieces(trace), target);
  } catch (cause) {
    const problem = cause instanceof Error ? cause.message : String(cause);
    const hint = 'choose a folder that exists and may be written';
    const what = `cannot be written (${problem})`;
    throw new TraceError('TRACE_UNREADABLE', { file, what, hint, cause });
  }
}

function compressionByName(file: string): Compression {
  if (file.endsWith('.gz')) return 'gzip';
  return file.endsWith('.zst') ? 'zstd' : 'none';
}

function* pieces(trace: PageTrace): Generator<string, void, void> {
  yield `${PAGE_TRACE_HEADER}\n`;
  for (let from = 0; from < trace.rows; from += ROWS_PER_PIECE) {
    const to = Math.min(trace.rows, from + ROWS_PER_PIECE);
    let text = '';
    for (let row = from; row < to; row++) {
      const letter = ACCESS_LETTERS[trace.op[row]!];
      text += `${trace.t[row]},${vpnOfRow(trace, row)},${letter},${trace.n[row]}\n`;
    }
    yield text;
  }
}
