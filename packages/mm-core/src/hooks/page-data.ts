import { createToken } from '../base/di.js';

/**
 * The bytes behind a page. The model moves *names* of contents (keys); the bytes are made only when
 * somebody needs them, to compress them. Equal keys mean equal bytes; key 0 is the zero page.
 */
export interface PageData {
  /**
   * Name of the bytes that virtual page `vpn` holds after a store at `progress` (0..1) of the
   * program.
   * @param version machine-wide number of the store, to choose among variants
   * @returns an int32 of at least 0; the number of distinct keys is bounded
   */
  keyOf(vpn: number, version: number, progress: number): number;
  /** Writes the 4096 bytes named `key`. */
  render(key: number, out: Uint8Array): void;
  /**
   * Bytes that page `key` takes when each block of `blockBytes` is compressed alone with `codec`
   * and a block that does not shrink is kept raw; at most 4096.
   */
  compressedSize(key: number, codec: string, blockBytes: number): number;
  /**
   * Bytes of each of these blocks, in the order of the page; their sum is `compressedSize`. Absent:
   * nobody knows, and blocks count as alike.
   */
  blockSizes?(key: number, codec: string, blockBytes: number): readonly number[];
}
export const PageData = createToken<PageData>('PageData');
