import { createHash } from 'node:crypto';
import { checkBlockBytes, sizeInBlocks, sizesOfBlocks } from '../codec/block-size.js';
import { type Codec, codecOf } from '../codec/codec.js';
import { TraceError } from '../trace/trace-error.js';
import { PAGE_BYTES } from './core-pages.js';

const PART_SHIFT = 12;
const PART_KEYS = 1 << PART_SHIFT;
/** A saved part: its number, in 32 bits, and its sizes. */
const SAVED_HEAD_BYTES = 4;
const SAVED_PART_BYTES = SAVED_HEAD_BYTES + 2 * PART_KEYS;
/** What saved sizes begin with: a hash of the contents they are of and of themselves. */
const HASH_BYTES = 32;
/** Of the sizes that are restored, one in so many is compressed anew. */
const SAMPLE = 64;

/**
 * Sizes of one codec and block size; a part of 4096 keys is made when its first key is asked for.
 */
interface SizeColumn {
  readonly codec: Codec;
  readonly blockBytes: number;
  /** Size by key, 0 for not known yet. */
  readonly parts: (Uint16Array | undefined)[];
  /** Sizes of blocks by key, of those that were asked for. */
  readonly blocks: Map<number, readonly number[]>;
}

/** Compressed sizes by key, codec and block size: each page is compressed once. */
export class SizeCache {
  private readonly columns = new Map<string, SizeColumn>();
  private last: SizeColumn | undefined;
  private readonly page = new Uint8Array(PAGE_BYTES);

  /**
   * @param render writes the bytes of a key
   * @param identity equal only of equal contents; asked when sizes are saved or restored
   */
  constructor(
    private readonly render: (key: number, out: Uint8Array) => void,
    private readonly identity: () => string,
  ) {}

  /**
   * Compressed size of a page in bytes, at most 4096.
   *
   * @throws TraceError TRACE_BAD_OPTION for an unknown codec or a bad block size
   */
  sizeOf(key: number, codec: string, blockBytes: number): number {
    const column = this.columnOf(codec, blockBytes);
    let part = column.parts[key >> PART_SHIFT];
    if (part === undefined) {
      part = new Uint16Array(PART_KEYS);
      column.parts[key >> PART_SHIFT] = part;
    }
    const known = part[key & (PART_KEYS - 1)]!;
    if (known > 0) return known;
    this.render(key, this.page);
    const size = sizeInBlocks(this.page, column.codec, blockBytes);
    part[key & (PART_KEYS - 1)] = size;
    return size;
  }

  /** The same of each block, in the order of the page. */
  blocksOf(key: number, codec: string, blockBytes: number): readonly number[] {
    const column = this.columnOf(codec, blockBytes);
    const known = column.blocks.get(key);
    if (known !== undefined) return known;
    this.render(key, this.page);
    const sizes = sizesOfBlocks(this.page, column.codec, blockBytes);
    column.blocks.set(key, sizes);
    return sizes;
  }

  /** The sizes of pages found so far, for a later run on the same contents to begin with. */
  saved(codec: string, blockBytes: number): Uint8Array {
    const parts = [...this.columnOf(codec, blockBytes).parts.entries()];
    const made = parts.flatMap(([index, part]) => (part === undefined ? [] : [{ index, part }]));
    const view = new DataView(new ArrayBuffer(made.length * SAVED_PART_BYTES));
    for (const [at, { index, part }] of made.entries()) {
      const begin = at * SAVED_PART_BYTES;
      view.setUint32(begin, index, true);
      for (const [key, size] of part.entries()) {
        view.setUint16(begin + SAVED_HEAD_BYTES + 2 * key, size, true);
      }
    }
    const sizes = new Uint8Array(view.buffer);
    const saved = new Uint8Array(HASH_BYTES + sizes.length);
    saved.set(this.hashOf(codec, blockBytes, sizes));
    saved.set(sizes, HASH_BYTES);
    return saved;
  }

  /**
   * Begins with sizes that `saved` gave for the same contents, codec and block size. One in 64 is
   * compressed anew: if one has changed, the codec has.
   *
   * @returns how many sizes are known by it
   * @throws TraceError TRACE_BAD_OPTION if they are not of these contents; then none is taken
   */
  restore(codec: string, blockBytes: number, saved: Uint8Array): number {
    const column = this.columnOf(codec, blockBytes);
    const sizes = saved.subarray(HASH_BYTES);
    if (!this.hashOf(codec, blockBytes, sizes).equals(saved.subarray(0, HASH_BYTES))) {
      const what = 'saved sizes are damaged, or of other contents, options or another codec';
      throw new TraceError('TRACE_BAD_OPTION', { what, hint: 'delete them' });
    }
    const parts = partsOf(sizes);
    let known = 0;
    for (const [index, part] of parts) {
      for (const [at, size] of part.entries()) {
        if (size === 0) continue;
        if (known++ % SAMPLE === 0) this.mustBe(column, index * PART_KEYS + at, size);
      }
    }
    for (const [index, part] of parts) column.parts[index] = part;
    return known;
  }

  private hashOf(codec: string, blockBytes: number, sizes: Uint8Array): Buffer {
    const of = `${this.identity()} ${codec} ${blockBytes}`;
    return createHash('sha256').update(of).update(sizes).digest();
  }

  private mustBe(column: SizeColumn, key: number, size: number): void {
    this.render(key, this.page);
    const now = sizeInBlocks(this.page, column.codec, column.blockBytes);
    if (now === size) return;
    throw new TraceError('TRACE_BAD_OPTION', {
      what: `saved sizes say ${size} bytes of contents ${key}, which take ${now}`,
      hint: 'they are of another version of the codec: delete them',
    });
  }

  private columnOf(codec: string, blockBytes: number): SizeColumn {
    const { last } = this;
    if (last !== undefined && last.codec.name === codec && last.blockBytes === blockBytes) {
      return last;
    }
    const name = `${codec}/${blockBytes}`;
    const known = this.columns.get(name);
    if (known !== undefined) {
      this.last = known;
      return known;
    }
    checkBlockBytes(blockBytes);
    const column: SizeColumn = { codec: codecOf(codec), blockBytes, parts: [], blocks: new Map() };
    this.columns.set(name, column);
    return column;
  }
}

function partsOf(saved: Uint8Array): ReadonlyMap<number, Uint16Array> {
  const parts = new Map<number, Uint16Array>();
  const view = new DataView(saved.buffer, saved.byteOffset, saved.byteLength);
  for (let begin = 0; begin < saved.length; begin += SAVED_PART_BYTES) {
    const sizes = Uint16Array.from({ length: PART_KEYS }, (_, at) => {
      return view.getUint16(begin + SAVED_HEAD_BYTES + 2 * at, true);
    });
    parts.set(view.getUint32(begin, true), sizes);
  }
  return parts;
}
