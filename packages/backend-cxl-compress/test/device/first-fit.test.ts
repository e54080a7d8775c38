import { PAGE_SIZE, type PageData, Prng } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import type { CxlCompressOptions } from '../../src/index.js';
import { sizedPages } from './page-data.js';
import { BASE, type PluggedDevice, plug } from './plugged-device.js';

/** 8 pages of room, sectors of 64 bytes; a page is one block. */
const WHOLE = { logicalPages: 64, capacityBytes: 8 * PAGE_SIZE, packing: 'first-fit' } as const;
const PAID = { ...WHOLE, compaction: { bytesPerNs: 2 } };
/** Four blocks a page. */
const BLOCKS = { ...WHOLE, blockBytes: 1024 } as const;

/** What a page of raw blocks takes: room for bookkeeping in each, in whole sectors of 64. */
function rawPageBytes(blockBytes: number, metadataBytes: number): number {
  return (PAGE_SIZE / blockBytes) * Math.ceil((blockBytes + metadataBytes) / 64) * 64;
}

/** Fills the device with pages of half a page and gives every other one back. */
function holed(options: CxlCompressOptions): PluggedDevice {
  const made = plug(options);
  for (let page = 0; page < 16; page++) made.device.store(BASE + page, 2048);
  for (let page = 0; page < 16; page += 2) made.device.discard(BASE + page);
  return made;
}

/** The key of a page names the bytes of its four blocks, in sectors of 64. */
function pagesOfBlocks(): PageData {
  const blockSizes = (key: number): readonly number[] => {
    return [0, 8, 16, 24].map((shift) => 64 * ((key >>> shift) & 31));
  };
  const compressedSize = (key: number): number => blockSizes(key).reduce((sum, one) => sum + one);
  return { ...sizedPages(), compressedSize, blockSizes };
}

test('a page lies in one piece: half of the space is free and holds no whole page', () => {
  const { device, stats } = holed(WHOLE);
  expect(device.store(BASE + 20, 4096)).toBe(false);
  expect(device.isPoisoned(BASE + 20)).toBe(true);
  expect(device.store(BASE + 20, 2048)).toBe(true);
  expect(stats()).toMatchObject({
    'device.physical_bytes': 8 * PAGE_SIZE,
    'device.fragmentation_bytes': 7 * 2048,
    'device.overflow_events': 1,
    'device.compactions': 0,
  });
  device.verify();
});

test('the lowest hole with room is taken, whatever the size of the others', () => {
  const { device } = holed(WHOLE);
  device.discard(BASE + 15);
  device.store(BASE + 30, 1024);
  device.store(BASE + 31, 1024);
  expect(device.store(BASE + 32, 4096)).toBe(true);
  expect(device.store(BASE + 33, 4096)).toBe(false);
  device.verify();
});

test('compaction makes a hole of the holes, and whoever stored waits for what was moved', () => {
  const { device, stats } = holed(PAID);
  expect(device.usedBytes()).toBe(4 * PAGE_SIZE);
  expect(device.store(BASE + 20, 4096)).toBe(true);
  expect(stats()).toMatchObject({
    'device.compactions': 1,
    'device.compaction.moved_bytes': 2048,
    'device.fragmentation_bytes': 0,
    'device.overflow_events': 0,
  });
  expect([device.writePageNs(BASE + 20), device.writePageNs(BASE + 20)]).toEqual([1024, 0]);
  device.verify();
});

test('a program whose store in place moved others waits, too', () => {
  const { device } = holed(PAID);
  for (const page of [40, 41]) device.store(BASE + page, 2048);
  const plainNs = device.touchNs?.(BASE + 1) ?? -1;
  device.store(BASE + 1, 4096);
  const linesNs = [1, 1].map((page) => device.touchNs?.(BASE + page));
  expect(linesNs).toEqual([plainNs + 2048, plainNs]);
});

test('with compaction all of the space can be filled', () => {
  const { device, stats } = holed(PAID);
  for (let page = 20; page < 24; page++) expect(device.store(BASE + page, 4096)).toBe(true);
  expect(device.usedBytes()).toBe(8 * PAGE_SIZE);
  expect(device.store(BASE + 24, 64)).toBe(false);
  expect(stats()['device.compaction.moved_bytes']).toBe(4 * 2048);
  device.verify();
});

test('blocks of a page lie apart, each rounded up to whole sectors', () => {
  const { device } = plug({ ...BLOCKS, granuleBytes: 256 }, pagesOfBlocks());
  device.store(BASE, 0x01_02_05_10);
  expect(device.storedBytes(BASE)).toBe(1024 + 512 + 256 + 256);
});

test('blocks apart fill holes that a page in one piece does not', () => {
  const whole = holed(WHOLE);
  const apart = holed(BLOCKS);
  const stores = [whole, apart].map(({ device }) => device.store(BASE + 20, 4096));
  expect(stores).toEqual([false, true]);
  apart.device.verify();
});

test('a page of which one block finds no room is lost whole and holds nothing', () => {
  const { device } = plug({ ...BLOCKS, capacityBytes: PAGE_SIZE }, pagesOfBlocks());
  device.store(BASE, 0x10_10_00_00);
  expect(device.store(BASE + 1, 0x10_10_10_00)).toBe(false);
  expect([device.usedBytes(), device.isPoisoned(BASE + 1)]).toEqual([2048, true]);
  device.verify();
});

test.each([
  { blockBytes: 1024, metadataBytes: 0 },
  { blockBytes: 1024, metadataBytes: 16 },
  { blockBytes: 4096, metadataBytes: 0 },
  { blockBytes: 4096, metadataBytes: 16 },
])('usage below the capacity means that a page that does not shrink has room: %o', (shape) => {
  const random = new Prng(7);
  const { device } = plug({ ...WHOLE, ...shape });
  const usedMax = device.capacityBytes - rawPageBytes(shape.blockBytes, shape.metadataBytes);
  const met = { full: 0, justFits: 0 };
  for (let step = 0; step < 3000; step++) {
    const page = BASE + random.below(64);
    if (random.chance(0.4)) {
      device.discard(page);
      continue;
    }
    const isRaw = random.chance(0.1);
    const before = device.usedBytes();
    const fits = device.store(page, isRaw ? 4096 : 64 * (1 + random.below(64)));
    if (before <= usedMax) expect(fits).toBe(true);
    if (before <= usedMax && before > usedMax - PAGE_SIZE) met.justFits++;
    if (!fits) met.full++;
    if (step % 100 === 0) device.verify();
  }
  device.verify();
  expect(met.full).toBeGreaterThan(0);
  expect(met.justFits).toBeGreaterThan(0);
});

test('an empty medium has nothing in use, whatever a raw block takes', () => {
  const { device, stats } = plug({ ...WHOLE, metadataBytes: 16 });
  expect(device.usedBytes()).toBe(0);
  device.store(BASE, 64);
  expect(device.usedBytes()).toBeGreaterThanOrEqual(device.storedBytes(BASE));
  for (let page = 1; page < 64; page++) device.store(BASE + page, 1000);
  expect(device.usedBytes()).toBeLessThanOrEqual(device.capacityBytes);
  expect(stats()['device.fragmentation_bytes']).toBeGreaterThanOrEqual(0);
  for (let page = 0; page < 64; page++) device.discard(BASE + page);
  expect(device.usedBytes()).toBe(0);
  device.verify();
});

test('with compaction a store fails only where the bytes are not there', () => {
  const random = new Prng(3);
  const { device } = plug({ ...PAID, blockBytes: 1024, granuleBytes: 256, metadataBytes: 16 });
  let failures = 0;
  for (let step = 0; step < 3000; step++) {
    const page = BASE + random.below(64);
    const free = device.capacityBytes - device.usedBytes() + device.storedBytes(page);
    if (device.store(page, random.chance(0.2) ? 0 : 1 + random.below(4096))) continue;
    failures++;
    expect(free).toBeLessThan(4096 + 4 * 256);
    device.verify();
  }
  device.verify();
  expect(failures).toBeGreaterThan(100);
});

test.each([
  ['there is no option pakcing; known are name', { pakcing: [4096] }],
  ["packing is 'last-fit', none of packed, first-fit", { packing: 'last-fit' }],
  ["compaction is given and packing is 'packed'", { compaction: {} }],
  ['compaction.bytesPerNs is 0', { packing: 'first-fit' as const, compaction: { bytesPerNs: 0 } }],
  ['compaction.bytesPerNs is NaN', { packing: [4096], compaction: { bytesPerNs: NaN } }],
  [
    'blocks of all pages is',
    { packing: 'first-fit' as const, logicalPages: 2 ** 28, blockBytes: 256 },
  ],
])('%s', (detail, options) => {
  const wrong: object = options;
  const base: CxlCompressOptions = { logicalPages: 8, capacityBytes: 8 * PAGE_SIZE };
  expect(() => plug({ ...base, ...wrong })).toThrow(detail);
});
