import { checkBlockBytes, sizeInBlocks, sizesOfBlocks } from '../codec/block-size.js';
import { type Codec, codecOf } from '../codec/codec.js';
import { PAGE_BYTES } from './core-pages.js';

const PART_SHIFT = 12;
const PART_KEYS = 1 << PART_SHIFT;

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

  /** @param render writes the bytes of a key */
  constructor(private readonly render: (key: number, out: Uint8Array) => void) {}

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
