import { createReadStream } from 'node:fs';
import { open, stat } from 'node:fs/promises';
import { basename } from 'node:path';
import { pipeline } from 'node:stream';
import { createGunzip, createZstdDecompress, type Gunzip, type ZstdDecompress } from 'node:zlib';
import { TraceError } from '../trace/trace-error.js';

/** How far a reader is. */
export interface ReadProgress {
  /** Bytes of the file (as stored, so compressed) read so far. */
  readonly bytesRead: number;
  /** Size of the file in bytes. */
  readonly bytesTotal: number;
  /** Rows, events or pages decoded so far. */
  readonly rows: number;
}

/** How the bytes of a file are packed. */
export type Compression = 'none' | 'gzip' | 'zstd';

/** A file opened for reading, packed or not. */
export interface ByteSource {
  readonly file: string;
  readonly compression: Compression;
  /** Size of the file in bytes, as stored. */
  readonly bytesTotal: number;
  /** Bytes of the file consumed so far. */
  bytesRead(): number;
  /**
   * The unpacked bytes, once, piece by piece.
   * @throws TraceError TRACE_TRUNCATED or TRACE_CORRUPT when the packing is damaged
   */
  chunks(): AsyncGenerator<Buffer, void, void>;
}

/** Unpacked bytes that are enough to tell a format. */
export const HEAD_BYTES = 4096;

const CHUNK_BYTES = 1 << 18;

/** Frames of a zstd file; packing tools write one, or one a thread. */
const FRAMES_MAX = 4096;

/**
 * Opens a file; gzip and zstd are known by their first bytes, whatever the file's name.
 *
 * @throws TraceError TRACE_NOT_FOUND, TRACE_UNREADABLE, TRACE_EMPTY, TRACE_UNSUPPORTED (bzip2, xz)
 */
export async function openSource(file: string): Promise<ByteSource> {
  const bytesTotal = await sizeOf(file);
  if (bytesTotal === 0) throw new TraceError('TRACE_EMPTY', { file, what: 'the file is empty' });
  const compression = compressionOf(file, await firstBytes(file));
  const raw = { bytesRead: 0 };
  return {
    file,
    compression,
    bytesTotal,
    bytesRead: () => raw.bytesRead,
    chunks: () => unpacked({ file, compression, bytesTotal, raw }),
  };
}

/**
 * The first `HEAD_BYTES` unpacked bytes (fewer in a shorter file).
 *
 * @throws TraceError as `openSource` and `ByteSource.chunks`
 */
export async function readHead(file: string): Promise<Buffer> {
  const source = await openSource(file);
  const parts: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of source.chunks()) {
    parts.push(chunk.subarray(0, HEAD_BYTES));
    bytes += chunk.length;
    if (bytes >= HEAD_BYTES) break;
  }
  if (bytes === 0)
    throw new TraceError('TRACE_EMPTY', { file, what: 'the unpacked file is empty' });
  return Buffer.concat(parts).subarray(0, HEAD_BYTES);
}

/** Name of a trace by its file: the file name up to its first dot. */
export function stemOf(file: string): string {
  const name = basename(file);
  const dot = name.indexOf('.', 1);
  return dot < 0 ? name : name.slice(0, dot);
}

async function sizeOf(file: string): Promise<number> {
  try {
    const stats = await stat(file);
    if (stats.isFile()) return stats.size;
  } catch (cause) {
    throw fileError(file, cause);
  }
  throw new TraceError('TRACE_UNREADABLE', { file, what: 'not a regular file' });
}

async function firstBytes(file: string): Promise<Buffer> {
  const bytes = Buffer.alloc(6);
  try {
    const handle = await open(file, 'r');
    try {
      const { bytesRead } = await handle.read(bytes, 0, bytes.length, 0);
      return bytes.subarray(0, bytesRead);
    } finally {
      await handle.close();
    }
  } catch (cause) {
    throw fileError(file, cause);
  }
}

function compressionOf(file: string, head: Buffer): Compression {
  const hex = head.toString('hex');
  if (hex.startsWith('1f8b')) return 'gzip';
  if (hex.startsWith('28b52ffd')) return 'zstd';
  const other = hex.startsWith('425a68') ? 'bzip2' : hex.startsWith('fd377a585a00') ? 'xz' : '';
  if (other === '') return 'none';
  throw new TraceError('TRACE_UNSUPPORTED', {
    file,
    what: `the file is packed with ${other}`,
    hint: 'unpack it, or pack it with gzip or zstd',
  });
}

interface Unpacking {
  readonly file: string;
  readonly compression: Compression;
  readonly bytesTotal: number;
  readonly raw: { bytesRead: number };
}

async function* unpacked(from: Unpacking): AsyncGenerator<Buffer, void, void> {
  let start = 0;
  for (let frame = 0; frame < FRAMES_MAX; frame++) {
    start += yield* unpackedFrame(from, start);
    if (start >= from.bytesTotal) return;
  }
  throw new TraceError('TRACE_UNSUPPORTED', {
    file: from.file,
    what: `the file has more than ${FRAMES_MAX} zstd frames`,
    hint: 'pack the whole file as one frame',
  });
}

/**
 * Unpacks from `start` on. Node's zstd stops silently after a frame, so that a file of several
 * needs several decoders; gzip and plain files are done in one go.
 *
 * @returns number of stored bytes consumed
 */
async function* unpackedFrame(
  from: Unpacking,
  start: number,
): AsyncGenerator<Buffer, number, void> {
  const { file, compression, bytesTotal, raw } = from;
  const stored = createReadStream(file, { start, highWaterMark: CHUNK_BYTES });
  const decoder = decoderOf(compression);
  if (decoder !== undefined) pipeline(stored, decoder, () => undefined);
  try {
    for await (const chunk of decoder ?? stored) {
      raw.bytesRead = start + stored.bytesRead;
      yield chunk;
    }
  } catch (cause) {
    throw compression === 'none' ? fileError(file, cause) : packingError(file, cause);
  }
  raw.bytesRead = start + stored.bytesRead;
  if (compression !== 'zstd' || decoder === undefined) return bytesTotal;
  return Math.max(1, decoder.bytesWritten);
}

function decoderOf(compression: Compression): Gunzip | ZstdDecompress | undefined {
  if (compression === 'gzip') return createGunzip({ chunkSize: CHUNK_BYTES });
  if (compression === 'zstd') return createZstdDecompress({ chunkSize: CHUNK_BYTES });
  return undefined;
}

function fileError(file: string, cause: unknown): TraceError {
  const code = codeOf(cause);
  if (code === 'ENOENT' || code === 'ENOTDIR') {
    return new TraceError('TRACE_NOT_FOUND', { file, what: 'no such file', cause });
  }
  return new TraceError('TRACE_UNREADABLE', { file, what: `cannot be read (${code})`, cause });
}

function packingError(file: string, cause: unknown): TraceError {
  if (codeOf(cause) === 'Z_BUF_ERROR') {
    return new TraceError('TRACE_TRUNCATED', { file, what: 'the packed data end early', cause });
  }
  const what = `the packed data are damaged (${codeOf(cause)})`;
  return new TraceError('TRACE_CORRUPT', { file, what, cause });
}

function codeOf(cause: unknown): string {
  if (cause instanceof Error && 'code' in cause && typeof cause.code === 'string')
    return cause.code;
  return cause instanceof Error ? cause.message : String(cause);
}
