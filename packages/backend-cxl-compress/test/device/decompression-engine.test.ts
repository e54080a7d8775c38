import { PAGE_SIZE, Prng } from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import { BASE, plug } from './plugged-device.js';

const SERVICE_NS = 400;
const OPTIONS = {
  logicalPages: 64,
  capacityBytes: 64 * PAGE_SIZE,
  engineBytesPerNs: PAGE_SIZE / SERVICE_NS,
  metadataBytes: 16,
} as const;

describe('reading a whole page', () => {
  test('takes the engine one service time when it is idle', () => {
    const { device } = plug(OPTIONS);
    device.store(BASE, 1000);
    expect(device.readPageNs(BASE)).toBe(SERVICE_NS);
  });

  test('takes nothing for zeros, empty, poisoned and raw pages', () => {
    const { device } = plug({ ...OPTIONS, capacityBytes: 2 * PAGE_SIZE });
    device.store(BASE, 0);
    device.store(BASE + 1, 4096);
    device.store(BASE + 2, 4096);
    expect(device.isPoisoned(BASE + 2)).toBe(true);
    expect([0, 1, 2, 3].map((page) => device.readPageNs(BASE + page))).toEqual([0, 0, 0, 0]);
  });

  test('one actor that reads many at one instant pays each once', () => {
    const { device } = plug(OPTIONS);
    for (let page = 0; page < 32; page++) device.store(BASE + page, 1000);
    const reads = Array.from({ length: 32 }, (_, page) => device.readPageNs(BASE + page));
    expect(new Set(reads)).toEqual(new Set([SERVICE_NS]));
  });

  test('waits for what others asked for before', () => {
    const { device, clock } = plug(OPTIONS);
    for (let page = 0; page < 5; page++) device.store(BASE + page, 1000);
    for (let page = 0; page < 4; page++) device.readPageNs(BASE + page);
    clock.advance(100);
    expect(device.readPageNs(BASE + 4)).toBe(4 * SERVICE_NS - 100 + SERVICE_NS);
  });

  test("A3: Little's law holds within 1 % on the engine's queue", () => {
    const { device, clock, stats } = plug(OPTIONS);
    const random = new Prng(133);
    for (let page = 0; page < 64; page++) device.store(BASE + page, 1000);
    let sojournNs = 0;
    const reads = 100_000;
    for (let at = 0; at < reads; at++) {
      clock.advance(1 - Math.log(1 - random.unit()) * 500);
      sojournNs += device.readPageNs(BASE + random.below(64));
    }
    device.verify();
    const meanInSystem = stats()['device.engine.queue.mean'] ?? 0;
    expect(Math.abs(meanInSystem / (sojournNs / clock.now) - 1)).toBeLessThan(0.01);
  });
});
