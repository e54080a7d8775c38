import { PAGE_BYTES } from '../pages/core-pages.js';
import { TraceError } from '../trace/trace-error.js';
import type { Codec } from './codec.js';

/** Smallest block that a page may be cut into, in bytes: a cache line. */
export const BLOCK_BYTES_MIN = 64;

/**
 * Checks a block size.
 *
 * @throws TraceError TRACE_BAD_OPTION unless it is a power of two from 64 to 4096
 */
export function checkBlockBytes(blockBytes: number): void {
  const isPower = Number.isSafeInteger(blockBytes) && (blockBytes & (blockBytes - 1)) === 0;
  if (isPower && blockBytes >= BLOCK_BYTES_MIN && blockBytes <= PAGE_BYTES) return;
  throw new TraceError('TRACE_BAD_OPTION', {
    what: `blockBytes is ${blockBytes}`,
    hint: `give a power of two from ${BLOCK_BYTES_MIN} to ${PAGE_BYTES}`,
  });
}

/**
 * Bytes that a page takes when each block is compressed alone and a block that does not shrink is
 * kept raw; at most the page's own size.
 *
 * @param blockBytes a checked block size
 */
export function sizeInBlocks(page: Uint8Array, codec: Codec, blockBytes: number): number {
  return sizesOfBlocks(page, codec, blockBytes).reduce((sum, size) => sum + size, 0);
}

/** The same of each block. */
export function sizesOfBlocks(
  page: Uint8Array,
  codec: Codec,
  blockBytes: number,
): readonly number[] {
  const sizes: number[] = [];
  for (let at = 0; at < page.length; at += blockBytes) {
    const size = codec.compressedSize(page.subarray(at, at + blockBytes));
    sizes.push(Math.min(size, blockBytes));
  }
  return sizes;
}
