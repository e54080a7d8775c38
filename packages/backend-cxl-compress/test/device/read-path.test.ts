import { cxlCompressDevice, cxlSysram } from '@mm-lab/backend-cxl-compress';
import { createMachine, type Machine, PAGE_SIZE, Prng, type Task } from '@mm-lab/mm-core';
import { contentsOf } from '@mm-lab/testkit';
import { describe, expect, test } from 'vitest';
import { sizedPages } from './page-data.js';
import { BASE, NID, plug } from './plugged-device.js';

const HIT_NS = 260;
const MISS_NS = 1000;
const SERVICE_NS = 400;
const PAGES = 64;
const OPTIONS = {
  logicalPages: PAGES,
  capacityBytes: PAGES * PAGE_SIZE,
  lineNs: MISS_NS,
  engineBytesPerNs: PAGE_SIZE / SERVICE_NS,
} as const;
const CACHED = { ...OPTIONS, cache: { pages: 2, hitNs: HIT_NS } } as const;
/** A page takes 100 ns of the link, a line 1.5625 ns. */
const LINKED = { ...OPTIONS, linkQueue: true, bytesPerNs: PAGE_SIZE / 100 } as const;

/** Pages that hold bytes, and a way to touch one when all before is over. */
function touched(options: typeof CACHED, pages: number) {
  const plugged = plug(options);
  const { device, clock } = plugged;
  for (let page = 0; page < pages; page++) device.store(BASE + page, 1000);
  const touch = (page: number): number | undefined => {
    clock.advance(10_000);
    const ns = device.touchNs?.(BASE + page);
    device.verify();
    return ns;
  };
  return { ...plugged, touch };
}

describe('pages kept expanded', () => {
  test('without a cache or a queue the device asks for no access', () => {
    const { device } = plug(OPTIONS);
    expect([device.touchNs, device.lineNs]).toEqual([undefined, MISS_NS]);
  });

  test('the first line of a page is a miss, the others hit while it is kept', () => {
    const { touch, stats } = touched(CACHED, 1);
    expect([touch(0), touch(0), touch(0)]).toEqual([MISS_NS, HIT_NS, HIT_NS]);
    expect(stats()).toMatchObject({ 'device.cache_hits': 2, 'device.cache_misses': 1 });
  });

  test('the least recently used page goes first', () => {
    const { touch, stats } = touched(CACHED, 3);
    const times = [0, 1, 0, 2, 0, 1].map(touch);
    expect(times).toEqual([MISS_NS, MISS_NS, HIT_NS, MISS_NS, HIT_NS, MISS_NS]);
    expect(stats()).toMatchObject({ 'device.cache_evictions': 2, 'device.cache_pages': 2 });
  });

  test('zeros, raw and poisoned pages are neither expanded nor counted', () => {
    const { device, touch, stats } = touched(CACHED, 0);
    device.store(BASE, 0);
    device.store(BASE + 1, PAGE_SIZE);
    device.store(BASE + 2, 1000);
    device.injectPoison(BASE + 2);
    expect([0, 1, 2].map(touch)).toEqual([HIT_NS, HIT_NS, HIT_NS]);
    expect(stats()).toMatchObject({ 'device.cache_hits': 0, 'device.cache_misses': 0 });
  });

  test.each([
    ['given up', (device: ReturnType<typeof plug>['device']) => device.discard(BASE)],
    ['overwritten raw', (device) => device.store(BASE, PAGE_SIZE)],
    ['lost', (device) => device.injectPoison(BASE)],
  ])('a page is kept no more once it is %s', (_, end) => {
    const { device, touch } = touched(CACHED, 1);
    touch(0);
    end(device);
    device.store(BASE, 1000);
    expect(touch(0)).toBe(MISS_NS);
  });

  test('a kept page is copied without the engine, another keeps nothing when copied', () => {
    const { device, touch, clock } = touched(CACHED, 2);
    touch(0);
    clock.advance(SERVICE_NS);
    expect([0, 1, 1].map((page) => device.readPageNs(BASE + page))).toEqual([
      0,
      SERVICE_NS,
      SERVICE_NS,
    ]);
  });

  test('a miss takes a turn of the engine, which the next one waits for', () => {
    const { device } = touched(CACHED, 2);
    expect(device.touchNs?.(BASE)).toBe(MISS_NS);
    expect(device.touchNs?.(BASE + 1)).toBe(SERVICE_NS + MISS_NS);
  });

  test.each([
    ['cache.pages is 0, not in 1..1048576', { cache: { pages: 0 } }],
    ['cache.hitNs is 1001, not in', { lineNs: 1000, cache: { pages: 1, hitNs: 1001 } }],
  ])('%s', (detail, options) => {
    expect(() => plug({ ...OPTIONS, ...options })).toThrow(detail);
  });
});

describe('the queue of the link', () => {
  test('one actor does not wait for its own copies, others do', () => {
    const { device, clock, stats } = plug(LINKED);
    const own = [device.writePageNs(BASE), device.writePageNs(BASE), device.writePageNs(BASE)];
    clock.advance(50);
    expect([...own, device.readPageNs(BASE)]).toEqual([0, 0, 0, 250]);
    expect(stats()).toMatchObject({ 'device.link.copies': 4, 'device.link.wait_ns': 250 });
  });

  test('a line waits behind copies and takes its own time on the link', () => {
    const { device, stats } = plug(LINKED);
    device.writePageNs(BASE);
    expect(device.touchNs?.(BASE)).toBe(100 + MISS_NS);
    expect(device.touchNs?.(BASE)).toBe(100 + 64 / LINKED.bytesPerNs + MISS_NS);
    expect(stats()['device.link.lines']).toBe(2);
  });

  test('A2: the mean wait of Poisson lines is that of M/D/1 within 5 %', () => {
    const { device, clock, stats } = plug(LINKED);
    const random = new Prng(7);
    const serviceNs = 64 / LINKED.bytesPerNs;
    const lines = 200_000;
    for (let at = 0; at < lines; at++) {
      clock.advance((-Math.log(1 - random.unit()) * serviceNs) / 0.5);
      device.touchNs?.(BASE);
    }
    device.verify();
    const meanWait = (stats()['device.link.wait_ns'] ?? 0) / lines;
    expect(Math.abs(meanWait / (serviceNs / 2) - 1)).toBeLessThan(0.05);
  });
});

/** A machine with the device as ordinary memory, and a task whose pages are on it. */
function onDevice(options: Parameters<typeof cxlCompressDevice>[0]) {
  const machine: Machine = createMachine(
    {
      seed: 1,
      nodes: [
        { id: 0, pages: 256, cpus: 1 },
        { id: NID, pages: options.logicalPages, online: false, movable: true },
      ],
    },
    [contentsOf(sizedPages()), cxlCompressDevice(options), cxlSysram({ nid: NID })],
  );
  const task: Task = machine.createTask('reader');
  task.mmap(0, 8);
  for (let vpn = 0; vpn < 8; vpn++) task.write(vpn);
  task.movePages(
    Array.from({ length: 8 }, (_, vpn) => vpn),
    NID,
  );
  return { machine, task };
}

describe('plugged into a machine', () => {
  test('each read asks the device, also of a page that was read before', () => {
    const { machine, task } = onDevice(CACHED);
    const loadNs = (vpn: number): number => {
      machine.sleep(10_000);
      const before = machine.clock.now;
      task.read(vpn);
      return machine.clock.now - before;
    };
    expect([0, 0, 1, 2, 0, 0].map(loadNs)).toEqual([
      MISS_NS,
      HIT_NS,
      MISS_NS,
      MISS_NS,
      MISS_NS,
      HIT_NS,
    ]);
    machine.verify();
  });

  test('a migration to the device takes its turn on the link', () => {
    const { machine } = onDevice(LINKED);
    expect(machine.stats()['device.link.copies']).toBe(8);
    machine.verify();
  });
});

describe('the cache of the host', () => {
  const copied = (copies: 'ordinary' | 'non-temporal') => {
    const { device, stats } = plug({ ...OPTIONS, hostCache: { pages: 1, copies } });
    const ns = [0, 1, 1].map((page) => {
      device.store(BASE + page, 5);
      return device.writePageNs(BASE + page);
    });
    device.readPageNs(BASE + 1);
    const { 'device.copy.read_bytes': read, 'device.copy.written_bytes': written } = stats();
    return { isFetched: ns.map((each) => each > 0), read, written };
  };

  test('ordinary stores fetch what is not cached, and write when it is evicted', () => {
    const isFetched = [true, true, false];
    expect(copied('ordinary')).toEqual({ isFetched, read: 8192, written: 4096 });
  });

  test('non-temporal stores fetch nothing and write at once', () => {
    const isFetched = [false, false, false];
    expect(copied('non-temporal')).toEqual({ isFetched, read: 4096, written: 12_288 });
  });
});
