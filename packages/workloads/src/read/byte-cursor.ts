import { TraceError } from '../trace/trace-error.js';
import type { ByteSource } from './byte-source.js';

/** Reads a source forwards in pieces of chosen size. */
export class ByteCursor {
  /** Offset of the next byte in the unpacked file. */
  offset = 0;
  private readonly chunks: AsyncGenerator<Buffer, void, void>;
  private chunk: Buffer = Buffer.alloc(0);

  constructor(private readonly source: ByteSource) {
    this.chunks = source.chunks();
  }

  /**
   * Fills `out` with the next bytes.
   *
   * @param what what is being read, for the message
   * @throws TraceError TRACE_TRUNCATED when the file ends before
   */
  async read(out: Uint8Array, what: string): Promise<void> {
    let filled = 0;
    while (filled < out.length) {
      const piece = await this.next(out.length - filled, what);
      out.set(piece, filled);
      filled += piece.length;
    }
  }

  /**
   * Passes over the bytes before `offset`.
   *
   * @throws TraceError TRACE_TRUNCATED when the file ends before
   */
  async skipTo(offset: number, what: string): Promise<void> {
    while (this.offset < offset) await this.next(offset - this.offset, what);
  }

  /**
   * Passes over all bytes that are left.
   *
   * @throws TraceError when the packing is damaged there
   */
  async skipRest(): Promise<void> {
    for (let done = false; !done; ) done = (await this.chunks.next()).done === true;
  }

  /** Stops reading; closes the file. */
  async close(): Promise<void> {
    await this.chunks.return();
  }

  /** Up to `bytesMax` bytes, at least one. */
  private async next(bytesMax: number, what: string): Promise<Buffer> {
    while (this.chunk.length === 0) {
      const { value, done } = await this.chunks.next();
      if (done === true || value === undefined) {
        throw new TraceError('TRACE_TRUNCATED', {
          file: this.source.file,
          offset: this.offset,
          what: `the file ends inside ${what}`,
        });
      }
      this.chunk = value;
    }
    const piece = this.chunk.subarray(0, bytesMax);
    this.chunk = this.chunk.subarray(piece.length);
    this.offset += piece.length;
    return piece;
  }
}
