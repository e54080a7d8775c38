import { constants, deflateRawSync, zstdCompressSync } from 'node:zlib';
import { quoted, TraceError } from '../trace/trace-error.js';
import { lz4CompressedSize } from './lz4-size.js';

/** A compressor as the model needs it: how small do these bytes get? */
export interface Codec {
  readonly name: string;
  /** Compressed size of `bytes` alone, in bytes; may exceed their length. */
  compressedSize(bytes: Uint8Array): number;
}

/**
 * By name; sizes of `lz4` and `zstd-1` equal those of lz4 1.9.4 and zstd 1.5.4 on recorded pages.
 */
const CODECS: Readonly<Record<string, Codec>> = {
  /** LZ4 block format, no frame, as `LZ4_compress_default`. */
  lz4: { name: 'lz4', compressedSize: lz4CompressedSize },
  /** Zstandard level 1, one frame. */
  'zstd-1': zstd('zstd-1', 1),
  /** Zstandard level 3, one frame. */
  'zstd-3': zstd('zstd-3', 3),
  /** Raw deflate, level 6, window 32 KiB. */
  deflate: { name: 'deflate', compressedSize: (bytes) => deflateRawSync(bytes).length },
};

/** Names of the codecs, for messages and options. */
export function codecNames(): readonly string[] {
  return Object.keys(CODECS);
}

/**
 * The codec of that name.
 *
 * @throws TraceError TRACE_BAD_OPTION for an unknown name
 */
export function codecOf(name: string): Codec {
  const codec = Object.hasOwn(CODECS, name) ? CODECS[name] : undefined;
  if (codec !== undefined) return codec;
  throw new TraceError('TRACE_BAD_OPTION', {
    what: `no codec is called ${quoted(name)}`,
    hint: `choose one of ${codecNames().join(', ')}`,
  });
}

function zstd(name: string, level: number): Codec {
  const params = { [constants.ZSTD_c_compressionLevel]: level };
  return { name, compressedSize: (bytes) => zstdCompressSync(bytes, { params }).length };
}
