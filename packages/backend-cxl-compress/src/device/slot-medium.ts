import { assert } from '@mm-lab/mm-core';
import type { Medium } from './medium.js';

/** Bytes of a chunk: it is cut into slots of one size. */
export const CHUNK_BYTES = 16_384;

const NO_CLASS = 255;
const NO_CHUNK = -1;

/** What a medium of slots is made of. */
export interface SlotParts {
  readonly pages: number;
  readonly capacityBytes: number;
  /** Sizes of the classes, ascending; pages larger than the last do not fit. */
  readonly slotBytes: readonly number[];
  /** Bytes in use from which on it packs classes anew; Infinity: it never moves anything. */
  readonly compactFromBytes: number;
}

/**
 * Physical space in size classes, as an allocator like zsmalloc keeps it: chunks cut into slots of
 * one class each. A chunk that holds anything is lost to the other classes.
 *
 * A page that finds no slot and no chunk is not kept. Whenever `compactFromBytes` or more are in
 * use, at a discard too, the class that wastes most chunks is packed anew (as zs_compact does with
 * each), and every slot that moves is counted: usage would not fall otherwise when pages go.
 *
 * Invariant: a chunk in use holds at least one page.
 */
export class SlotMedium implements Medium {
  compactions = 0;
  movedBytes = 0;
  private readonly chunkOf: Int32Array;
  private readonly classOf: Uint8Array;
  private readonly held: Uint16Array;
  private readonly listed: Uint8Array;
  private readonly free: number[];
  /** Chunks of a class that may have room. */
  private readonly partial: readonly number[][];
  /** Pages of a class, and its chunks. */
  private readonly pagesIn: number[];
  private readonly chunksIn: number[];

  constructor(private readonly parts: SlotParts) {
    const { pages, capacityBytes, slotBytes } = parts;
    const chunks = Math.floor(capacityBytes / CHUNK_BYTES);
    this.chunkOf = new Int32Array(pages).fill(NO_CHUNK);
    this.classOf = new Uint8Array(chunks).fill(NO_CLASS);
    this.held = new Uint16Array(chunks);
    this.listed = new Uint8Array(chunks);
    this.free = Array.from({ length: chunks }, (_, at) => chunks - 1 - at);
    this.partial = slotBytes.map(() => []);
    this.pagesIn = slotBytes.map(() => 0);
    this.chunksIn = slotBytes.map(() => 0);
  }

  get usedBytes(): number {
    return (this.classOf.length - this.free.length) * CHUNK_BYTES;
  }

  /** A page is one piece here. */
  place(page: number, [bytes = 0]: readonly number[]): boolean {
    this.release(page);
    if (this.usedBytes >= this.parts.compactFromBytes) this.compact();
    if (bytes === 0) return true;
    const size = this.parts.slotBytes.findIndex((slot) => slot >= bytes);
    if (size < 0) return false;
    const chunk = this.chunkFor(size);
    if (chunk === NO_CHUNK) return false;
    this.hold(page, chunk);
    return true;
  }

  clear(): void {
    for (let page = 0; page < this.chunkOf.length; page++) this.release(page);
  }

  verify(): void {
    const held = new Uint16Array(this.held.length);
    for (const chunk of this.chunkOf) if (chunk !== NO_CHUNK) held[chunk]! += 1;
    const pagesIn = this.pagesIn.map(() => 0);
    const chunksIn = this.chunksIn.map(() => 0);
    for (const [chunk, count] of this.held.entries()) {
      const size = this.classOf[chunk]!;
      assert(count === held[chunk], 'pages of a chunk equal their recount');
      assert(count > 0 === (size !== NO_CLASS), 'a chunk in use holds a page');
      if (count === 0) continue;
      assert(count <= this.slotsOf(size), 'a chunk holds no more pages than it has slots');
      pagesIn[size]! += count;
      chunksIn[size]! += 1;
    }
    const chunks = chunksIn.reduce((sum, count) => sum + count, 0);
    const idle = this.held.length - chunks;
    assert(this.free.length === idle, 'chunks that hold nothing are the free ones');
    assert(new Set(this.free).size === idle, 'a chunk is free once');
    assert(String(pagesIn) === String(this.pagesIn), 'pages of a class equal their recount');
    assert(String(chunksIn) === String(this.chunksIn), 'chunks of a class equal their recount');
  }

  private slotsOf(size: number): number {
    return Math.floor(CHUNK_BYTES / this.parts.slotBytes[size]!);
  }

  private hold(page: number, chunk: number): void {
    this.chunkOf[page] = chunk;
    this.held[chunk]! += 1;
    this.pagesIn[this.classOf[chunk]!]! += 1;
  }

  private release(page: number): void {
    const chunk = this.chunkOf[page]!;
    if (chunk === NO_CHUNK) return;
    const size = this.classOf[chunk]!;
    this.chunkOf[page] = NO_CHUNK;
    this.held[chunk]! -= 1;
    this.pagesIn[size]! -= 1;
    if (this.held[chunk] === 0) {
      this.classOf[chunk] = NO_CLASS;
      this.chunksIn[size]! -= 1;
      this.free.push(chunk);
    } else {
      this.list(chunk);
    }
  }

  private chunkFor(size: number): number {
    const partial = this.partialOf(size);
    if (partial !== NO_CHUNK) return partial;
    const chunk = this.free.pop();
    if (chunk === undefined) return NO_CHUNK;
    this.classOf[chunk] = size;
    this.chunksIn[size]! += 1;
    this.listed[chunk] = 0;
    this.list(chunk);
    return chunk;
  }

  private partialOf(size: number): number {
    const list = this.partial[size]!;
    const slots = this.slotsOf(size);
    for (let last = list.at(-1); last !== undefined; last = list.at(-1)) {
      if (this.classOf[last] === size && this.held[last]! < slots) return last;
      list.pop();
      if (this.classOf[last] === size || this.classOf[last] === NO_CLASS) this.listed[last] = 0;
    }
    return NO_CHUNK;
  }

  private list(chunk: number): void {
    if (this.listed[chunk] === 1) return;
    this.listed[chunk] = 1;
    this.partial[this.classOf[chunk]!]!.push(chunk);
  }

  /** Packs the class that can give most chunks back, if any can. */
  private compact(): void {
    const spare = this.chunksIn.map(
      (chunks, size) => chunks - Math.ceil(this.pagesIn[size]! / this.slotsOf(size)),
    );
    const most = Math.max(0, ...spare);
    if (most === 0) return;
    this.compactions += 1;
    this.pack(spare.indexOf(most), most);
  }

  /**
   * The pages of the emptiest chunks of a class move to the fullest that have room. Looks at every
   * page, so a large device that is packed often is slow to simulate.
   */
  private pack(size: number, give: number): void {
    const slots = this.slotsOf(size);
    const chunks: number[] = [];
    this.classOf.forEach((one, chunk) => {
      if (one === size) chunks.push(chunk);
    });
    chunks.sort((a, b) => this.held[a]! - this.held[b]! || a - b);
    const given = new Set(chunks.slice(0, give));
    let to = chunks.length - 1;
    for (const [page, chunk] of this.chunkOf.entries()) {
      if (!given.has(chunk)) continue;
      while (this.held[chunks[to]!]! >= slots) to -= 1;
      this.release(page);
      this.hold(page, chunks[to]!);
      this.movedBytes += this.parts.slotBytes[size]!;
    }
  }
}
