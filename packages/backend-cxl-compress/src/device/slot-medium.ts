import { assert } from '@mm-lab/mm-core';

/** Bytes of a chunk: it is cut into slots of one size. */
export const CHUNK_BYTES = 16_384;

const NO_CLASS = 255;
const NO_CHUNK = -1;

/**
 * Physical space in size classes, as an allocator like zsmalloc keeps it: chunks cut into slots of
 * one class each. A chunk that holds anything is lost to the other classes, and nothing is ever
 * moved, so fragmentation is real and stays. Simplified: no compaction.
 *
 * Invariants: `usedBytes` is the number of chunks in use times their size; a chunk in use holds at
 * least one page.
 */
export class SlotMedium {
  usedBytes = 0;
  private readonly chunkOf: Int32Array;
  private readonly classOf: Uint8Array;
  private readonly held: Uint16Array;
  private readonly listed: Uint8Array;
  private readonly free: number[];
  /** Chunks of a class that may have room. */
  private readonly partial: readonly number[][];

  /** @param slotBytes sizes of the classes, ascending; pages larger than the last do not fit */
  constructor(
    pages: number,
    capacityBytes: number,
    private readonly slotBytes: readonly number[],
  ) {
    const chunks = Math.floor(capacityBytes / CHUNK_BYTES);
    this.chunkOf = new Int32Array(pages).fill(NO_CHUNK);
    this.classOf = new Uint8Array(chunks).fill(NO_CLASS);
    this.held = new Uint16Array(chunks);
    this.listed = new Uint8Array(chunks);
    this.free = Array.from({ length: chunks }, (_, at) => chunks - 1 - at);
    this.partial = slotBytes.map(() => []);
  }

  /** Moves the page to `bytes` (0 = nothing). @returns false: no slot, and it holds nothing now */
  place(page: number, bytes: number): boolean {
    this.release(page);
    if (bytes === 0) return true;
    const size = this.slotBytes.findIndex((slot) => slot >= bytes);
    if (size < 0) return false;
    const chunk = this.chunkFor(size);
    if (chunk === NO_CHUNK) return false;
    this.chunkOf[page] = chunk;
    this.held[chunk]! += 1;
    return true;
  }

  /** Nothing is held any more. */
  clear(): void {
    for (let page = 0; page < this.chunkOf.length; page++) this.release(page);
  }

  /** Counts everything again. */
  verify(): void {
    const held = new Uint16Array(this.held.length);
    for (const chunk of this.chunkOf) if (chunk !== NO_CHUNK) held[chunk]! += 1;
    let used = 0;
    for (const [chunk, count] of this.held.entries()) {
      assert(count === held[chunk], 'pages of a chunk equal their recount');
      assert(count > 0 === (this.classOf[chunk] !== NO_CLASS), 'a chunk in use holds a page');
      if (count > 0) used += CHUNK_BYTES;
    }
    assert(used === this.usedBytes, 'bytes of chunks in use equal their recount');
  }

  private release(page: number): void {
    const chunk = this.chunkOf[page]!;
    if (chunk === NO_CHUNK) return;
    this.chunkOf[page] = NO_CHUNK;
    this.held[chunk]! -= 1;
    if (this.held[chunk] === 0) {
      this.classOf[chunk] = NO_CLASS;
      this.free.push(chunk);
      this.usedBytes -= CHUNK_BYTES;
    } else {
      this.list(chunk);
    }
  }

  private chunkFor(size: number): number {
    const list = this.partial[size]!;
    const slots = Math.floor(CHUNK_BYTES / this.slotBytes[size]!);
    for (let last = list.at(-1); last !== undefined; last = list.at(-1)) {
      if (this.classOf[last] === size && this.held[last]! < slots) return last;
      list.pop();
      if (this.classOf[last] === size || this.classOf[last] === NO_CLASS) this.listed[last] = 0;
    }
    const chunk = this.free.pop();
    if (chunk === undefined) return NO_CHUNK;
    this.classOf[chunk] = size;
    this.usedBytes += CHUNK_BYTES;
    this.listed[chunk] = 0;
    this.list(chunk);
    return chunk;
  }

  private list(chunk: number): void {
    if (this.listed[chunk] === 1) return;
    this.listed[chunk] = 1;
    this.partial[this.classOf[chunk]!]!.push(chunk);
  }
}
