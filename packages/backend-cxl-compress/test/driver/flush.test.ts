import { describe, expect, test } from 'vitest';
import { rangesIn } from '../../src/device/media-operation.js';
import { FlushBitmap } from '../../src/index.js';
import { type CompressionMachine, DEVICE, machineOf, NS_PER_MS } from './compression-machine.js';

/** Pages in use on the device's node, pages in limbo, and bytes that the device holds. */
function held({ machine, device, stat }: CompressionMachine): readonly number[] {
  return [machine.usedPages(DEVICE), stat('flush.limbo_pages'), device.usedBytes()];
}

test('the bitmap takes 32 MiB for each TiB (X11)', () => {
  const pagesPerTib = 2 ** 40 / 4096;
  expect(new FlushBitmap(pagesPerTib).sizeBytes).toBe(32 * 2 ** 20);
});

test('the bitmap keeps its pages apart across chunks', () => {
  const bitmap = new FlushBitmap(100_000);
  for (const page of [0, 7, 8, 32_767, 32_768, 99_999]) bitmap.set(page);
  const found = [0, 1, 7, 8, 32_767, 32_768, 65_536, 99_999].filter((page) =>
    bitmap.testAndClear(page),
  );
  expect([found, bitmap.testAndClear(7)]).toEqual([[0, 7, 8, 32_767, 32_768, 99_999], false]);
});

test('a payload of 256 B, 512 B, 2 KiB, 4 KiB and 1 MiB has room for as many ranges', () => {
  expect([256, 512, 2048, 4096, 1 << 20].map(rangesIn)).toEqual([15, 31, 127, 255, 65_535]);
});

describe('a freed page', () => {
  test('is held in limbo until the flush thread has scrubbed it', () => {
    const it = machineOf();
    const task = it.resident(100);
    const before = held(it);
    task.exit();
    const freed = held(it);
    it.machine.sleep(900 * NS_PER_MS);
    const waiting = held(it);
    it.machine.sleep(200 * NS_PER_MS);
    expect([before, freed, waiting, held(it)]).toEqual([
      [100, 0, 102_400],
      [100, 100, 102_400],
      [100, 100, 102_400],
      [0, 0, 0],
    ]);
    expect([it.stat('flush.commands'), it.stat('device.zeroed_pages')]).toEqual([1, 100]);
    it.machine.verify();
  });

  test('is zeroed by CRAM at once when the buffer has no room', () => {
    const it = machineOf({ driver: { flush_buf_size: 16 } });
    it.resident(100).exit();
    expect([...held(it), it.stat('flush.overflow_zeroings')]).toEqual([16, 16, 16_384, 84]);
    it.machine.verify();
  });

  test('a full buffer is sent by its CPU’s work, long before the thread comes', () => {
    const it = machineOf({ driver: { flush_buf_size: 16 } });
    it.resident(100).exit();
    it.machine.sleep(20 * NS_PER_MS);
    expect([...held(it), it.stat('flush.commands')]).toEqual([0, 0, 0, 1]);
    expect(it.stat('flush.reuse_ns.max')).toBeLessThan(11 * NS_PER_MS);
  });

  test('is zeroed by CRAM at once without a pipeline', () => {
    const it = machineOf({ driver: { flush: 'none' } });
    it.resident(100).exit();
    expect([it.machine.usedPages(DEVICE), it.device.usedBytes()]).toEqual([0, 0]);
  });
});

test('an idle flush thread waits for no grace period', () => {
  const it = machineOf({ driver: { graceMs: 700 } });
  it.machine.sleep(10_500 * NS_PER_MS);
  expect(it.stat('flush.runs')).toBe(10);
});

test('a buffer that fills while the one before is sent is sent right after it', () => {
  const it = machineOf({ driver: { flush_buf_size: 16 } });
  const [first, second] = [it.resident(17), it.resident(17)];
  first.exit();
  it.machine.sleep(5 * NS_PER_MS);
  second.exit();
  const waiting = held(it);
  it.machine.sleep(25 * NS_PER_MS);
  expect([waiting, held(it), it.stat('flush.commands')]).toEqual([[32, 32, 32_768], [0, 0, 0], 2]);
  it.machine.verify();
});

describe('the CPU zeroes in place of the device', () => {
  test('that does not know the command', () => {
    const it = machineOf({ device: { mailbox: { zero: false } } });
    it.resident(50).exit();
    it.machine.sleep(1100 * NS_PER_MS);
    const counts = [it.stat('flush.commands'), it.stat('flush.cpu_zeroings')];
    expect([...held(it), ...counts]).toEqual([0, 0, 0, 0, 50]);
  });

  test('whose mailbox died, two seconds later', () => {
    const it = machineOf({ device: { mailboxFaults: { deadFromNs: NS_PER_MS } } });
    it.resident(50).exit();
    it.machine.sleep(2900 * NS_PER_MS);
    const before = it.stat('flush.limbo_pages');
    it.machine.sleep(300 * NS_PER_MS);
    expect([before, it.stat('flush.commands.failed'), it.stat('flush.cpu_zeroings')]).toEqual([
      50, 1, 50,
    ]);
    it.machine.verify();
  });
});

describe('a command that the driver gave up and the device does later', () => {
  const late = (lateCommands: 'posted' | 'mended') => {
    const mailboxFaults = { slowProbability: 1, slowNs: 5e9, slowFromNs: 1e9 };
    const it = machineOf({ driver: { lateCommands }, device: { mailboxFaults } });
    const lost = (): number => it.stat('integrity.stale_reads') + it.stat('integrity.lost_pages');
    it.resident(64).exit();
    it.machine.sleep(4000 * NS_PER_MS);
    const waiting = it.stat('flush.quarantined_pages');
    const next = it.resident(64);
    it.machine.sleep(5000 * NS_PER_MS);
    for (let vpn = 0; vpn < 64; vpn++) next.read(vpn);
    it.machine.verify();
    return { waiting, lost: lost(), left: it.stat('flush.quarantined_pages') };
  };

  test('wipes pages that are in use again', () => {
    const { waiting, lost } = late('posted');
    expect([waiting, lost > 0]).toEqual([0, true]);
  });

  test('wipes nothing if its pages wait until the device has come to rest', () => {
    expect(late('mended')).toEqual({ waiting: 64, lost: 0, left: 0 });
  });
});

describe('teardown', () => {
  test('as posted strands the pages that are on the node', () => {
    const it = machineOf();
    it.resident(10);
    const from = it.machine.clock.now;
    expect(it.remove()).toContain('EBUSY');
    const seconds = (it.machine.clock.now - from) / 1e9;
    expect([it.machine.usedPages(DEVICE), Math.floor(seconds)]).toEqual([10, 60]);
  });

  test('as posted works for an empty node, even with pages in limbo', () => {
    const it = machineOf();
    it.resident(10).exit();
    expect(it.remove()).toBe('');
    expect(it.machine.nodes.pgdat(DEVICE).managedPages()).toBe(0);
    it.machine.verify();
  });

  test('the other way round moves the pages away and sends what that freed', () => {
    const it = machineOf({ driver: { teardown: 'evacuate-first' } });
    const task = it.resident(10);
    expect(it.remove()).toBe('');
    for (let vpn = 0; vpn < 10; vpn++) task.read(vpn);
    expect([it.stat('integrity.lost_pages'), it.stat('integrity.stale_reads')]).toEqual([0, 0]);
    it.machine.verify();
  });
});

test('every CPU has its own buffers', () => {
  const fill = (cpus: number): number => {
    const it = machineOf({ cpus, driver: { flush_buf_size: 8 } });
    const tasks = [0, 1, 2, 3].map(() => it.resident(8));
    for (const task of tasks) task.munmap(0, 8);
    return it.stat('flush.limbo_pages.peak');
  };
  expect(fill(4)).toBeGreaterThan(fill(1));
});

describe('options out of range are refused by name', () => {
  test.each([
    ['flush_interval_ms is 0, not in 0.001..', { flush_interval_ms: 0 }],
    ['flush_buf_size is 1.5, not a whole number', { flush_buf_size: 1.5 }],
    ['graceMs is -1, not in 0..', { graceMs: -1 }],
  ])('%s', (detail, driver) => {
    expect(() => machineOf({ driver })).toThrow(detail);
  });
});
