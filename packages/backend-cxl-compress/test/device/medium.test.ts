import { PAGE_SIZE } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { CHUNK_BYTES } from '../../src/device/slot-medium.js';
import { BASE, plug } from './plugged-device.js';

const SLOTS = { logicalPages: 64, capacityBytes: 4 * CHUNK_BYTES, packing: [1024, 2048, 4096] };

test('a chunk of one class is lost to the others until it is empty', () => {
  const { device, stats } = plug(SLOTS);
  for (let page = 0; page < 64; page++) device.store(BASE + page, 1024);
  for (let page = 0; page < 64; page++) if (page % 16 !== 0) device.discard(BASE + page);
  const fits = device.store(BASE + 1, 4096);
  expect([fits, device.usedBytes(), stats()['device.fragmentation_bytes']]).toEqual([
    false,
    4 * CHUNK_BYTES,
    4 * CHUNK_BYTES - 4096,
  ]);
  device.discard(BASE);
  expect(device.store(BASE + 1, 4096)).toBe(true);
  device.verify();
});

test('above the high mark the class that wastes most is packed; what moves is paid', () => {
  const { device, stats } = plug({ ...SLOTS, compaction: { bytesPerNs: 1 } });
  for (let page = 0; page < 64; page++) device.store(BASE + page, 1024);
  for (let page = 0; page < 64; page++) if (page % 16 > 1) device.discard(BASE + page);
  const { 'device.compactions': times, 'device.compaction.moved_bytes': bytes } = stats();
  expect([device.usedBytes() < 0.8 * device.capacityBytes, times, bytes]).toEqual([
    true,
    3,
    12_288,
  ]);
  expect([device.writePageNs(BASE), device.writePageNs(BASE)]).toEqual([12_288, 0]);
  device.verify();
});

test('what moved while pages were given back is waited for only as long as it still takes', () => {
  const { device, clock } = plug({ ...SLOTS, compaction: { bytesPerNs: 1 } });
  for (let page = 0; page < 64; page++) device.store(BASE + page, 1024);
  for (let page = 0; page < 64; page++) if (page % 16 > 1) device.discard(BASE + page);
  clock.advance(10_000);
  expect([device.writePageNs(BASE), device.writePageNs(BASE)]).toEqual([2288, 0]);
});

test('whoever comes while it moves waits for the rest, once at an instant', () => {
  const { device, clock } = plug({ ...SLOTS, compaction: { bytesPerNs: 1 } });
  for (let page = 0; page < 64; page++) device.store(BASE + page, 1024);
  for (let page = 0; page < 64; page++) if (page % 16 > 1) device.discard(BASE + page);
  const waits = [0, 0, 2288, 10_000, 1].flatMap((ns) => {
    clock.advance(ns);
    return [device.writePageNs(BASE), device.readPageNs(BASE + 60)];
  });
  expect(waits).toEqual([12_288, 0, 0, 0, 10_000, 0, 0, 0, 0, 0]);
});

test.each([
  ['never', {}],
  ['paid', { compaction: {} }],
])('slots equal their recount after many stores, overflows and discards: %s', (_, more) => {
  const { device } = plug({ ...SLOTS, ...more });
  for (let step = 0; step < 5000; step++) {
    const page = BASE + ((step * 37) % 64);
    if (step % 3 === 0) device.discard(page);
    else device.store(page, (step * 997) % 4097);
    if (step % 250 === 0) device.verify();
  }
  device.verify();
});

test('sizes follow a ratio over time', () => {
  const points = [
    { atNs: 0, ratio: 4 },
    { atNs: 1000, ratio: 2 },
  ];
  const { device, clock } = plug({
    logicalPages: 8,
    capacityBytes: 8 * PAGE_SIZE,
    granuleBytes: 16,
    sizes: { kind: 'ratio', points },
  });
  const sizes = [0, 500, 500, 500].map((ns, page) => {
    clock.advance(ns);
    device.store(BASE + page, 1);
    return device.storedBytes(BASE + page);
  });
  expect(sizes).toEqual([1024, 1376, 2048, 2048]);
});

test('sizes come from a recorded distribution, the same for the same contents', () => {
  const sizes = { kind: 'recorded', bytes: [0, 1024, 4096] } as const;
  const { device } = plug({ logicalPages: 600, capacityBytes: 600 * PAGE_SIZE, sizes });
  const sizeOf = (page: number, key: number): number => {
    device.store(BASE + page, key);
    return device.storedBytes(BASE + page);
  };
  const found = Array.from({ length: 600 }, (_, page) => sizeOf(page, page + 1));
  for (const bytes of sizes.bytes) {
    const share = found.filter((size) => size === bytes).length / found.length;
    expect(Math.abs(share - 1 / 3)).toBeLessThan(0.08);
  }
  expect(sizeOf(5, 3)).toBe(sizeOf(9, 3));
});

test.each([
  ['packing is 512, not above 1024', { packing: [1024, 512] }],
  ['sizes.points.ratio is 0.5, not in 1..4096', { sizes: ratio(0.5) }],
  ['sizes.bytes is empty', { sizes: { kind: 'recorded', bytes: [] } as const }],
])('%s', (detail, options) => {
  expect(() => plug({ logicalPages: 8, capacityBytes: 8 * PAGE_SIZE, ...options })).toThrow(detail);
});

function ratio(value: number) {
  return { kind: 'ratio', points: [{ atNs: 0, ratio: value }] } as const;
}
