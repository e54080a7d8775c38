import { TraceError } from '../trace/trace-error.js';
import type { ByteSource } from './byte-source.js';

/** Longest line of a text format in bytes. */
export const LINE_BYTES_MAX = 65536;

/** Consumes whole lines. */
export interface LineConsumer {
  /**
   * Parses the lines in `bytes[0..end)`; `bytes[end - 1]` is a line feed.
   * @returns false to stop reading
   */
  lines(bytes: Uint8Array, end: number): boolean;
}

/**
 * Feeds a source to a consumer in pieces that end at a line's end. Holds one piece in memory, never
 * the text.
 *
 * @param afterPiece called after each piece
 * @throws TraceError TRACE_CORRUPT for a line longer than `LINE_BYTES_MAX`, and what the source and
 *   consumer throw
 */
export async function feedLines(
  source: ByteSource,
  consumer: LineConsumer,
  afterPiece: () => void,
): Promise<void> {
  let rest: Buffer = Buffer.alloc(0);
  for await (const chunk of source.chunks()) {
    const bytes = rest.length === 0 ? chunk : Buffer.concat([rest, chunk]);
    const end = bytes.lastIndexOf(10) + 1;
    if (end > 0 && !consumer.lines(bytes, end)) {
      afterPiece();
      return;
    }
    rest = Buffer.from(bytes.subarray(end));
    if (rest.length > LINE_BYTES_MAX) {
      const what = `a line is longer than ${LINE_BYTES_MAX} bytes`;
      throw new TraceError('TRACE_CORRUPT', { file: source.file, what });
    }
    afterPiece();
  }
  if (rest.length > 0) consumer.lines(Buffer.concat([rest, Buffer.of(10)]), rest.length + 1);
  afterPiece();
}

/** Text of the line that starts at `from`, without its end. */
export function lineAt(bytes: Uint8Array, from: number): string {
  const end = bytes.indexOf(10, from);
  const line = Buffer.from(bytes.subarray(from, end < 0 ? bytes.length : end)).toString('latin1');
  return line.endsWith('\r') ? line.slice(0, -1) : line;
}
