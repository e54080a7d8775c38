import {
  codecNames,
  codecOf,
  coreBytes,
  coreIndexOf,
  readCore,
  readDescription,
  readSizes,
  SHIPPED_TRACES,
  type SizeColumn,
  shippedTrace,
  sizeInBlocks,
} from '@mm-lab/workloads';
import fc from 'fast-check';
import { uncompressSync } from 'lz4-napi';
import { describe, expect, test } from 'vitest';
import { failureOf } from '../helpers/trace-failure.js';
import { lz4Block } from './lz4-encoder.js';

/** Unpacks with an independent implementation, which wants the length in front. */
function unpack(block: Uint8Array, length: number): Buffer {
  const prefixed = Buffer.alloc(4 + block.length);
  prefixed.writeUInt32LE(length);
  prefixed.set(block, 4);
  return uncompressSync(prefixed);
}

/** Is the block that the size is of what another implementation unpacks? */
function checkSize(bytes: Buffer): void {
  const block = lz4Block(bytes);
  expect(unpack(block, bytes.length).equals(bytes)).toBe(true);
  expect(codecOf('lz4').compressedSize(bytes)).toBe(block.length);
}

describe('sizes of lz4', () => {
  test('are those of blocks that another implementation unpacks', () => {
    const piece = fc.oneof(
      fc.uint8Array({ minLength: 1, maxLength: 300 }),
      fc.tuple(fc.nat(255), fc.integer({ min: 1, max: 3000 })).map(([byte, length]) => {
        return new Uint8Array(length).fill(byte);
      }),
    );
    fc.assert(
      fc.property(fc.array(piece, { minLength: 1, maxLength: 12 }), (pieces) => {
        checkSize(Buffer.concat([...pieces, ...pieces]));
      }),
      { numRuns: 300 },
    );
  });

  test('are had of any length up to 64 KiB', () => {
    for (const length of [1, 12, 13, 14, 64, 4096, 65536]) checkSize(Buffer.alloc(length, 'abcde'));
    expect(() => codecOf('lz4').compressedSize(new Uint8Array(65537))).toThrow(RangeError);
  });
});

describe('codecs', () => {
  test.each(SHIPPED_TRACES)(
    'compress the captured pages of %s to the sizes that the recorder measured',
    async (name) => {
      const shares = await matchingShares(name);
      // lz4 1.9.4 and zstd 1.5.4 level 1 to the byte; the level 3 of the bundled zstd is newer.
      expect(shares).toMatchObject({ lz4: 1, lz4_2k: 1, lz4_1k: 1, zstd1: 1 });
      expect(shares.zstd3).toBeGreaterThan(0.65);
      expect(Math.abs(shares.deflateBytes)).toBeLessThan(0.05);
      expect(Math.abs(shares.zstd3Bytes)).toBeLessThan(0.01);
    },
  );

  test('keep a block raw that does not shrink', () => {
    const page = new Uint8Array(4096);
    for (let i = 0; i < 1024; i++) page[i] = Math.imul(i * i + 7, 0x9e3779b1) >>> 11;
    expect(sizeInBlocks(page, codecOf('lz4'), 1024)).toBe(1024 + 3 * 14);
  });

  test('are known by name', async () => {
    expect(codecNames()).toEqual(['lz4', 'zstd-1', 'zstd-3', 'deflate']);
    expect(await failureOf(() => codecOf('toString'))).toBe(
      'TRACE_BAD_OPTION no codec is called "toString" ' +
        '(choose one of lz4, zstd-1, zstd-3, deflate)',
    );
  });
});

/** Share of the captured pages whose size is the recorded one, and relative errors of totals. */
async function matchingShares(name: string) {
  const files = shippedTrace(name);
  const core = await readCore(files.core);
  const table = await readSizes(files.sizes);
  const { snap } = (await readDescription(files.description)).core;
  const same = { lz4: 0, lz4_2k: 0, lz4_1k: 0, zstd1: 0, zstd3: 0 };
  const total = { deflate: 0, zstd3: 0 };
  const recorded = { deflate: 0, zstd3: 0 };
  for (let row = 0; row < table.rows; row++) {
    const index = coreIndexOf(core, table.vpn[row]!);
    if (table.snap[row] !== snap || index < 0) continue;
    const page = coreBytes(core, index);
    const size = (column: SizeColumn) => table.sizes[column][row]!;
    const zstd3 = codecOf('zstd-3').compressedSize(page);
    if (codecOf('lz4').compressedSize(page) === size('lz4')) same.lz4++;
    if (sizeInBlocks(page, codecOf('lz4'), 2048) === size('lz4_2k')) same.lz4_2k++;
    if (sizeInBlocks(page, codecOf('lz4'), 1024) === size('lz4_1k')) same.lz4_1k++;
    if (codecOf('zstd-1').compressedSize(page) === size('zstd1')) same.zstd1++;
    if (zstd3 === size('zstd3')) same.zstd3++;
    total.zstd3 += zstd3;
    recorded.zstd3 += size('zstd3');
    total.deflate += codecOf('deflate').compressedSize(page);
    recorded.deflate += size('deflate');
  }
  return {
    lz4: same.lz4 / core.pages,
    lz4_2k: same.lz4_2k / core.pages,
    lz4_1k: same.lz4_1k / core.pages,
    zstd1: same.zstd1 / core.pages,
    zstd3: same.zstd3 / core.pages,
    zstd3Bytes: total.zstd3 / recorded.zstd3 - 1,
    deflateBytes: total.deflate / recorded.deflate - 1,
  };
}
