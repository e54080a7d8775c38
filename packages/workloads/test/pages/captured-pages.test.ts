import {
  capturedPages,
  coreBytes,
  PAGE_FILL,
  type PageCapture,
  readCapture,
  shippedTrace,
} from '@mm-lab/workloads';
import { beforeAll, describe, expect, test } from 'vitest';
import { failureOf } from '../helpers/trace-failure.js';

let capture: PageCapture;

beforeAll(async () => {
  capture = await readCapture(shippedTrace('redis-kv'));
});

/** Progress at the snapshot of the core. */
const progressOfCore = () => capture.progress[capture.coreSnap]!;

function bytesOf(pages: ReturnType<typeof capturedPages>, key: number): Uint8Array {
  const out = new Uint8Array(4096).fill(0xaa);
  pages.render(key, out);
  return out;
}

/** The first version whose variant is 0, found by its bytes being those of the core. */
function versionUnchanged(pages: ReturnType<typeof capturedPages>, index: number): number {
  const vpn = capture.core.vpns[index]!;
  for (let version = 0; version < 200; version++) {
    const bytes = bytesOf(pages, pages.keyOf(vpn, version, progressOfCore()));
    if (Buffer.compare(bytes, coreBytes(capture.core, index)) === 0) return version;
  }
  return -1;
}

describe('capturedPages', () => {
  test('give the pages of the core their real bytes at the snapshot of the core', () => {
    const pages = capturedPages(capture, { seed: 1 });
    const version = versionUnchanged(pages, 0);
    expect(version).toBeGreaterThanOrEqual(0);
    for (let index = 0; index < capture.core.pages; index++) {
      const key = pages.keyOf(capture.core.vpns[index]!, version, progressOfCore());
      const real = coreBytes(capture.core, index);
      expect(Buffer.compare(bytesOf(pages, key), real)).toBe(0);
    }
  });

  test('follow the recorded sizes from snapshot to snapshot', () => {
    const pages = capturedPages(capture, { seed: 1 });
    const { snap, vpn, sizes, rows } = capture.sizes;
    const model = [0, 0, 0, 0];
    const recorded = [0, 0, 0, 0];
    for (let row = 0; row < rows; row++) {
      const at = snap[row]!;
      const key = pages.keyOf(vpn[row]!, row, capture.progress[at]!);
      model[at] = model[at]! + pages.compressedSize(key, 'lz4', 4096);
      recorded[at] = recorded[at]! + Math.min(4096, sizes.lz4[row]!);
    }
    const errors = model.map((size, at) => Math.abs(size / recorded[at]! - 1));
    expect(Math.max(...errors)).toBeLessThan(0.01);
  });

  test('make recorded zero pages the key 0', () => {
    const pages = capturedPages(capture, { seed: 1 });
    const { snap, vpn, fill, rows } = capture.sizes;
    let zeros = 0;
    for (let row = 0; row < rows; row++) {
      if (fill[row] !== PAGE_FILL.zero) continue;
      zeros++;
      expect(pages.keyOf(vpn[row]!, row, capture.progress[snap[row]!]!)).toBe(0);
    }
    expect(zeros).toBeGreaterThan(300);
    expect(bytesOf(pages, 0).every((byte) => byte === 0)).toBe(true);
  });

  test('give no two pages the same key except twins in the core', () => {
    const pages = capturedPages(capture, { seed: 1 });
    const seen = new Map<number, number>();
    let twins = 0;
    for (const vpn of new Set(capture.sizes.vpn)) {
      const key = pages.keyOf(vpn, 77, progressOfCore());
      if (key === 0) continue;
      if (seen.has(key)) twins++;
      seen.set(key, vpn);
    }
    expect(twins).toBeLessThan(10);
    expect(Math.max(...seen.keys())).toBeLessThan(pages.keyCount);
  });

  test('change a few bytes from version to version, and the size hardly', () => {
    const pages = capturedPages(capture, { seed: 1 });
    const vpn = capture.core.vpns[10]!;
    const keys = new Set<number>();
    const contents = new Set<string>();
    const sizes: number[] = [];
    for (let version = 0; version < 100; version++) {
      const key = pages.keyOf(vpn, version, progressOfCore());
      keys.add(key);
      contents.add(Buffer.from(bytesOf(pages, key)).toString('latin1'));
      sizes.push(pages.compressedSize(key, 'lz4', 4096));
    }
    expect([keys.size, contents.size]).toEqual([8, 8]);
    expect(Math.max(...sizes) - Math.min(...sizes)).toBeLessThan(40);
  });

  test('know the size of each block, and all of them come to the size of the page', () => {
    const pages = capturedPages(capture, { seed: 1 });
    const keys = capture.core.vpns.slice(0, 40).map((vpn) => pages.keyOf(vpn, 1, progressOfCore()));
    for (const key of keys) {
      const blocks = pages.blockSizes?.(key, 'lz4', 1024) ?? [];
      const sum = blocks.reduce((all, bytes) => all + bytes, 0);
      expect([blocks.length, sum]).toEqual([4, pages.compressedSize(key, 'lz4', 1024)]);
      expect(Math.max(...blocks)).toBeLessThanOrEqual(1024);
    }
  });

  test('know contents for pages that were never recorded', () => {
    const pages = capturedPages(capture, { seed: 1, unknownPages: 100 });
    const key = pages.keyOf(2 ** 35, 3, 0.5);
    expect(pages.keyOf(2 ** 35, 3, 0.5)).toBe(key);
    expect(key).toBeLessThan(pages.keyCount);
    const sizes = Array.from({ length: 100 }, (_, i) =>
      pages.compressedSize(pages.keyOf(2 ** 35 + i, 3, 0.5), 'lz4', 4096),
    );
    const ratio = (100 * 4096) / sizes.reduce((sum, size) => sum + size, 0);
    expect(ratio).toBeGreaterThan(1.4);
    expect(ratio).toBeLessThan(2.3);
  });

  test('are the same for the same seed and shared columns, also after a clone', () => {
    const one = capturedPages(capture, { seed: 9 });
    const two = capturedPages(structuredClone(capture), { seed: 9 });
    for (let i = 0; i < 300; i++) {
      const vpn = capture.sizes.vpn[i * 7]!;
      const key = one.keyOf(vpn, i, i / 300);
      expect(two.keyOf(vpn, i, i / 300)).toBe(key);
      expect(Buffer.compare(bytesOf(one, key), bytesOf(two, key))).toBe(0);
    }
  });

  test('render the same bytes for a key again, after any other key', () => {
    const pages = capturedPages(capture, { seed: 2 });
    for (let key = 1; key < pages.keyCount; key += 9973) {
      const first = bytesOf(pages, key);
      pages.compressedSize((key * 31) % pages.keyCount, 'zstd-1', 1024);
      expect(Buffer.compare(bytesOf(pages, key), first)).toBe(0);
    }
  });

  test('begin with the sizes of an earlier run, and refuse those of other contents', () => {
    const first = capturedPages(capture, { seed: 1 });
    const keys = Array.from({ length: 300 }, (_, vpn) => first.keyOf(vpn * 31, vpn, 0));
    const found = keys.map((key) => first.compressedSize(key, 'lz4', 4096));
    const saved = first.savedSizes('lz4', 4096);
    const later = capturedPages(capture, { seed: 1 });
    expect(later.restoreSizes('lz4', 4096, saved)).toBe(new Set(keys).size);
    expect(keys.map((key) => later.compressedSize(key, 'lz4', 4096))).toEqual(found);
    expect(later.savedSizes('lz4', 4096)).toEqual(saved);
    const refused = [
      () => capturedPages(capture, { seed: 2 }).restoreSizes('lz4', 4096, saved),
      () => capturedPages(capture, { seed: 1 }).restoreSizes('zstd-1', 4096, saved),
      () => capturedPages(capture, { seed: 1 }).restoreSizes('lz4', 4096, saved.subarray(1)),
    ];
    for (const refuse of refused) expect(refuse).toThrow('saved sizes');
  });

  test('a few sizes of another seed and a damaged size are refused too', () => {
    const first = capturedPages(capture, { seed: 1 });
    for (let vpn = 0; vpn < 3; vpn++) first.compressedSize(first.keyOf(vpn, 1, 0), 'lz4', 4096);
    const saved = first.savedSizes('lz4', 4096);
    const damaged = saved.slice();
    damaged[saved.length - 1] = 7;
    const restore = (seed: number, sizes: Uint8Array) => (): number =>
      capturedPages(capture, { seed }).restoreSizes('lz4', 4096, sizes);
    expect(restore(1, saved)()).toBe(3);
    expect(restore(2, saved)).toThrow('saved sizes are damaged, or of other contents');
    expect(restore(1, damaged)).toThrow('saved sizes are damaged, or of other contents');
  });

  test('refuse bad options and files of different runs', async () => {
    expect([
      await failureOf(() => capturedPages(capture, { seed: 1, variants: 0 })),
      await failureOf(() => capturedPages(capture, { seed: 1 }).compressedSize(1, 'lz4', 1000)),
      await failureOf(() => capturedPages(capture, { seed: 1 }).compressedSize(1, 'lzma', 4096)),
      await failureOf(() =>
        readCapture({ ...shippedTrace('redis-kv'), core: shippedTrace('sort-text').core }),
      ),
    ]).toMatchInlineSnapshot(`
      [
        "TRACE_BAD_OPTION variants is 0 (give a whole number from 1 to 64)",
        "TRACE_BAD_OPTION blockBytes is 1000 (give a power of two from 64 to 4096)",
        "TRACE_BAD_OPTION no codec is called "lzma" (choose one of lz4, zstd-1, zstd-3, deflate)",
        "TRACE_CORRUPT redis-kv.json: 672 pages in the core, but the core has 2000 (give the core, sizes and description of one and the same run)",
      ]
    `);
  });
});
