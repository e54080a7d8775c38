import { PAGE_SIZE, Prng } from '@mm-lab/mm-core';
import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { realPages, sizedPages } from './page-data.js';
import { BASE, NID, type PluggedDevice, plug } from './plugged-device.js';

const SMALL = { logicalPages: 16, capacityBytes: 4 * PAGE_SIZE } as const;

function usage({ device }: PluggedDevice): readonly number[] {
  return [device.usedBytes(), device.storedPages()];
}

describe('storing', () => {
  test('rounds a page up to sectors and adds the bookkeeping', () => {
    const { device } = plug({ ...SMALL, granuleBytes: 256, metadataBytes: 16 });
    const sizes = [1, 256, 257, 4096].map((key, page) => {
      device.store(BASE + page, key);
      return device.storedBytes(BASE + page);
    });
    expect(sizes).toEqual([272, 272, 528, 4112]);
  });

  test('a store replaces what the page held', () => {
    const plugged = plug(SMALL);
    plugged.device.store(BASE, 4096);
    plugged.device.store(BASE, 64);
    expect(usage(plugged)).toEqual([64, 1]);
  });

  test('zeros take nothing', () => {
    const plugged = plug({ ...SMALL, metadataBytes: 16 });
    expect(plugged.device.store(BASE, 0)).toBe(true);
    expect(usage(plugged)).toEqual([0, 0]);
    plugged.device.store(BASE, 100);
    plugged.device.store(BASE, 0);
    expect(usage(plugged)).toEqual([0, 0]);
  });

  test('a discarded page takes nothing', () => {
    const plugged = plug(SMALL);
    plugged.device.store(BASE, 100);
    plugged.device.discard(BASE);
    plugged.device.discard(BASE + 1);
    expect(usage(plugged)).toEqual([0, 0]);
    expect(plugged.stats()['device.discards']).toBe(2);
  });

  test('a page outside of the range is a bug of the caller', () => {
    const { device } = plug(SMALL);
    expect(() => device.store(BASE - 1, 1)).toThrow('within the range of its device');
    expect(() => device.store(BASE + 16, 1)).toThrow('within the range of its device');
  });
});

describe('overflow', () => {
  test('the last byte fits and one sector more is lost', () => {
    const { device, stats } = plug(SMALL);
    const kept = [0, 1, 2, 3].map((page) => device.store(BASE + page, 4096));
    expect(kept).toEqual([true, true, true, true]);
    expect(device.store(BASE + 4, 1)).toBe(false);
    expect([device.isPoisoned(BASE + 4), device.isPoisoned(BASE)]).toEqual([true, false]);
    expect(stats()).toMatchObject({
      'device.overflow_events': 1,
      'device.poisoned_pages': 1,
      'device.physical_bytes': 4 * PAGE_SIZE,
    });
  });

  test('rewriting a page of a full device in place is no overflow', () => {
    const { device } = plug(SMALL);
    for (let page = 0; page < 4; page++) device.store(BASE + page, 4096);
    expect(device.store(BASE + 3, 4096)).toBe(true);
  });

  test('a page that outgrows the device loses what it held before, too', () => {
    const plugged = plug(SMALL);
    const { device } = plugged;
    for (let page = 0; page < 3; page++) device.store(BASE + page, 4096);
    device.store(BASE + 3, 2048);
    device.store(BASE + 4, 2048);
    expect(device.store(BASE + 4, 2049)).toBe(false);
    expect([...usage(plugged), device.storedBytes(BASE + 4)]).toEqual([14_336, 4, 0]);
  });

  test.each([
    ['a store that fits', (plugged: PluggedDevice) => plugged.device.store(BASE + 4, 64)],
    ['a store of zeros', (plugged: PluggedDevice) => plugged.device.store(BASE + 4, 0)],
    ['a discard', (plugged: PluggedDevice) => plugged.device.discard(BASE + 4)],
  ])('%s clears the poison', (_, cure) => {
    const plugged = plug(SMALL);
    for (let page = 0; page < 5; page++) plugged.device.store(BASE + page, 4096);
    plugged.device.discard(BASE);
    cure(plugged);
    expect(plugged.device.isPoisoned(BASE + 4)).toBe(false);
    plugged.device.verify();
  });

  test('every overflow is traced with its page', () => {
    const { device, tracepoints } = plug(SMALL);
    const seen: number[][] = [];
    tracepoints.device_overflow.on((_, nid, pfn) => seen.push([nid, pfn]));
    for (let page = 0; page < 6; page++) device.store(BASE + page, 4096);
    expect(seen).toEqual([
      [NID, BASE + 4],
      [NID, BASE + 5],
    ]);
  });
});

describe('under any sequence of stores and discards', () => {
  const step = fc.record({
    page: fc.nat(15),
    key: fc.oneof(fc.constant(0), fc.integer({ min: 1, max: 4096 })),
    kind: fc.constantFrom('store', 'store', 'store', 'discard'),
    ns: fc.nat(1000),
  });

  test('used bytes equal the recount, and a page is poisoned exactly when it had no room', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
        const plugged = plug({ ...SMALL, granuleBytes: 256, metadataBytes: 8 });
        const { device, clock, stats } = plugged;
        const held = new Map<number, number>();
        let overflows = 0;
        for (const { page, key, kind, ns } of steps) {
          clock.advance(ns);
          held.delete(page);
          const others = [...held.values()].reduce((sum, bytes) => sum + bytes, 0);
          const bytes = key === 0 ? 0 : Math.ceil(key / 256) * 256 + 8;
          const fits = others + bytes <= SMALL.capacityBytes;
          if (kind === 'discard') device.discard(BASE + page);
          else expect(device.store(BASE + page, key)).toBe(fits);
          if (kind === 'store' && fits && bytes > 0) held.set(page, bytes);
          if (kind === 'store' && !fits) overflows += 1;
          expect(device.isPoisoned(BASE + page)).toBe(kind === 'store' && !fits);
          const used = [...held.values()].reduce((sum, bytes) => sum + bytes, 0);
          expect(usage(plugged)).toEqual([used, held.size]);
          device.verify();
        }
        expect(stats()['device.overflow_events']).toBe(overflows);
      }),
      { seed: 27, numRuns: 200 },
    );
  });

  test('giving up every page returns every byte', () => {
    fc.assert(
      fc.property(fc.array(step, { maxLength: 100 }), (steps) => {
        const plugged = plug(SMALL);
        for (const { page, key } of steps) plugged.device.store(BASE + page, key);
        for (let page = 0; page < SMALL.logicalPages; page++) plugged.device.discard(BASE + page);
        expect(usage(plugged)).toEqual([0, 0]);
        expect(plugged.stats()['device.poisoned_pages']).toBe(0);
      }),
      { seed: 28, numRuns: 100 },
    );
  });
});

describe.each([
  ['deflate', 1024],
  ['deflate', 4096],
  ['zstd-1', 2048],
  ['zstd-3', 4096],
] as const)('with real contents under %s in blocks of %i', (codec, blockBytes) => {
  const data = realPages();

  test('what is held is what the codec makes of it, after every step', () => {
    const logicalPages = 128;
    const options = { logicalPages, capacityBytes: 40 * PAGE_SIZE, codec, blockBytes };
    const plugged = plug(options, data);
    const { device } = plugged;
    const random = new Prng(4402);
    for (let at = 0; at < 2000; at++) {
      const pfn = BASE + random.below(logicalPages);
      const key = random.below(200);
      if (random.chance(0.2)) device.discard(pfn);
      else if (device.store(pfn, key) && key > 0) {
        const size = Math.ceil(data.compressedSize(key, codec, blockBytes) / 64) * 64;
        expect(device.storedBytes(pfn)).toBe(size);
      }
      device.verify();
    }
    expect(plugged.stats()['device.overflow_events']).toBeGreaterThan(0);
  });
});

test('smaller blocks compress worse, which the device shows', () => {
  const bytes = [1024, 2048, 4096].map((blockBytes) => {
    const options = { logicalPages: 100, capacityBytes: 100 * PAGE_SIZE, codec: 'zstd-3' };
    const { device } = plug({ ...options, blockBytes }, realPages());
    for (let page = 0; page < 100; page++) device.store(BASE + page, page);
    return device.usedBytes();
  });
  expect(bytes).toEqual([...bytes].sort((a, b) => b - a));
  expect(new Set(bytes).size).toBe(3);
});

describe('what is reported', () => {
  test('peaks, counts and the time average of the memory saved', () => {
    const { device, clock, stats } = plug(SMALL);
    clock.advance(100);
    for (const page of [0, 1, 2]) device.store(BASE + page, 1024);
    clock.advance(200);
    device.discard(BASE);
    device.discard(BASE + 1);
    clock.advance(100);
    expect(stats()).toEqual({
      'device.cache_evictions': 0,
      'device.cache_hits': 0,
      'device.cache_misses': 0,
      'device.cache_pages': 0,
      'device.link.copies': 0,
      'device.link.lines': 0,
      'device.link.utilisation': 0,
      'device.link.wait_ns': 0,
      'device.commands': 0,
      'device.commands.failed': 0,
      'device.commands.timed_out': 0,
      'device.commands.late_effects': 0,
      'device.zeroed_pages': 0,
      'device.poison_injected': 0,
      'device.fragmentation_bytes': 0,
      'device.compactions': 0,
      'device.compaction.moved_bytes': 0,
      'device.logical_pages': 1,
      'device.logical_pages.peak': 3,
      'device.physical_bytes': 1024,
      'device.physical_bytes.peak': 3072,
      'device.physical_bytes.capacity': 16_384,
      'device.overflow_events': 0,
      'device.poisoned_pages': 0,
      'device.stores': 3,
      'device.stores.zero': 0,
      'device.discards': 2,
      'device.interrupts.low': 0,
      'device.interrupts.high': 0,
      'device.interrupts.lost': 0,
      'device.interrupts.late': 0,
      'device.engine.reads': 0,
      'device.engine.utilisation': 0,
      'device.engine.wait_ns.mean': 0,
      'device.engine.queue.mean': 0,
      'memory.saved_bytes.mean': (3 * 3072 * 200 + 3072 * 100) / 400,
    });
  });

  test('usage is traced when it moved by a thousandth of the capacity or after a while', () => {
    const capacityBytes = 64 * 1024 * 1024; // a thousandth is 64 KiB, 16 raw pages
    const options = { logicalPages: 1 << 15, capacityBytes, traceIntervalNs: 1000 };
    const { device, clock, tracepoints } = plug(options);
    const seen: number[][] = [];
    tracepoints.device_bytes.on((now, _nid, bytes, pages) => seen.push([now, bytes, pages]));
    for (let page = 0; page < 40; page++) device.store(BASE + page, 4096);
    clock.advance(999);
    device.store(BASE + 40, 4096);
    clock.advance(1);
    device.store(BASE + 41, 64);
    expect(seen).toEqual([
      [0, 4096, 1],
      [0, 17 * 4096, 17],
      [0, 33 * 4096, 33],
      [1000, 41 * 4096 + 64, 42],
    ]);
  });

  test('nothing changes for being watched', () => {
    const run = (watched: boolean) => {
      const { device, clock, tracepoints, stats, interrupts } = plug(SMALL, sizedPages());
      if (watched) tracepoints.device_bytes.on(() => undefined);
      if (watched) tracepoints.device_overflow.on(() => undefined);
      const random = new Prng(7);
      for (let at = 0; at < 500; at++) {
        clock.advance(random.below(10_000));
        device.store(BASE + random.below(16), random.below(4097));
      }
      return { stats: stats(), interrupts };
    };
    expect(run(true)).toEqual(run(false));
  });
});
