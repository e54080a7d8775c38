import { assert, PAGE_SIZE } from '@mm-lab/mm-core';
import type { CxlCompressSettings } from './cxl-compress-options.js';
import { type BlocksOf, blocksOf, type SizeOf, type SizeParts, sizesOf } from './size-source.js';

/** What contents take on the medium: compressed, in whole sectors, with the bookkeeping. */
export class StoredSizes {
  private readonly sizeOf: SizeOf;
  private readonly blocksOf: BlocksOf;

  constructor(
    private readonly settings: CxlCompressSettings,
    parts: SizeParts,
  ) {
    this.sizeOf = sizesOf(settings.sizes, parts);
    this.blocksOf = blocksOf(settings.sizes, parts);
  }

  /** Bytes of a page whose blocks lie back to back; 0: nothing is stored. */
  bytesOf(key: number): number {
    const compressed = this.compressed(key);
    return compressed === 0 ? 0 : this.sectors(compressed) + this.settings.metadataBytes;
  }

  /** Bytes of each of its blocks, if they lie apart; the bookkeeping is with the first. */
  blocksApart(key: number): readonly number[] {
    if (key === 0) return [];
    const { metadataBytes, blockBytes, sizes } = this.settings;
    const blocks = this.blocksOf(key);
    if (blocks.every((bytes) => bytes === 0)) {
      assert(sizes.kind === 'recorded', 'contents that are not zeros take bytes');
      return [];
    }
    assert(blocks.length <= PAGE_SIZE / blockBytes, 'a page has no more blocks than fit into it');
    return blocks.map((bytes, at) => {
      assert(bytes <= blockBytes, 'a block that does not shrink is kept raw');
      return this.sectors(at === 0 ? bytes + metadataBytes : bytes);
    });
  }

  private compressed(key: number): number {
    if (key === 0) return 0;
    const compressed = this.sizeOf(key);
    if (compressed === 0 && this.settings.sizes.kind === 'recorded') return 0;
    assert(compressed > 0, 'contents that are not zeros take bytes');
    assert(compressed <= PAGE_SIZE, 'a page that does not shrink is kept raw');
    return compressed;
  }

  private sectors(bytes: number): number {
    const { granuleBytes } = this.settings;
    return Math.ceil(bytes / granuleBytes) * granuleBytes;
  }
}
