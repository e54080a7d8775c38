import { PAGE_SIZE } from '@mm-lab/mm-core';

/** Pages of memory that one chunk covers: a page of bits, for 128 MiB. */
export const CHUNK_PAGES = PAGE_SIZE * 8;

/**
 * One bit per page of a region, in chunks of a page (RFC v4 patch 27): set while the driver keeps
 * the folio that begins there for its scrub. 32 MiB for each TiB of memory.
 */
export class FlushBitmap {
  private readonly chunks: readonly Uint8Array[];

  /** @param pages of the region */
  constructor(pages: number) {
    const count = Math.ceil(pages / CHUNK_PAGES);
    this.chunks = Array.from({ length: count }, () => new Uint8Array(PAGE_SIZE));
  }

  /** Memory that the bitmap takes. */
  get sizeBytes(): number {
    return this.chunks.length * PAGE_SIZE;
  }

  set(page: number): void {
    const chunk = this.chunkOf(page);
    chunk[byteOf(page)]! |= 1 << (page & 7);
  }

  /** Clears the bit. @returns was it set? */
  testAndClear(page: number): boolean {
    const chunk = this.chunkOf(page);
    const bit = 1 << (page & 7);
    const wasSet = (chunk[byteOf(page)]! & bit) !== 0;
    chunk[byteOf(page)]! &= ~bit;
    return wasSet;
  }

  private chunkOf(page: number): Uint8Array {
    return this.chunks[Math.floor(page / CHUNK_PAGES)]!;
  }
}

function byteOf(page: number): number {
  return (page % CHUNK_PAGES) >> 3;
}
