import { type CxlCompressOptions, cxlCompressDevice } from '@mm-lab/backend-cxl-compress';
import { deviceToken, MmError, PAGE_SIZE, TableCostModel } from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import { choicesOf } from '../../src/device/cxl-compress-options.js';
import { BASE, plug } from './plugged-device.js';

const SMALL = { logicalPages: 16, capacityBytes: 8 * PAGE_SIZE } as const;

describe('the plugin', () => {
  test('binds one device under its name', () => {
    const { services, device } = plug({ ...SMALL, name: 'cxl7' });
    expect(services.get(deviceToken('cxl7'))).toBe(device);
    expect(services.has(deviceToken('cxl0'))).toBe(false);
    const { name, logicalPages, capacityBytes, lineNs } = device;
    expect({ name, logicalPages, capacityBytes, lineNs }).toEqual({
      name: 'cxl7',
      logicalPages: 16,
      capacityBytes: 32_768,
      lineNs: 250,
    });
  });

  test('costs what the table of its machine says, unless an option does', () => {
    const cost = new TableCostModel({ preset: 'conservative' });
    const measure = (options: Partial<CxlCompressOptions>) => {
      const { device, clock, interrupts } = plug({ ...SMALL, ...options }, undefined, cost);
      for (let page = 0; page < 8; page++) device.store(BASE + page, 4096);
      clock.advance(10_000_000);
      const { lineNs, bytesPerNs } = device;
      return { lineNs, bytesPerNs, interrupts };
    };
    expect([measure({}), measure({ lineNs: 300, interruptNs: 70, bytesPerNs: 9 })]).toEqual([
      { lineNs: 1000, bytesPerNs: 17.8, interrupts: [[1_000_000, 'low']] },
      { lineNs: 300, bytesPerNs: 9, interrupts: [[70, 'low']] },
    ]);
  });

  test('one plugin in two machines is two devices', () => {
    const one = plug(SMALL);
    const two = plug(SMALL);
    one.device.store(BASE, 4096);
    expect([one.device.usedBytes(), two.device.usedBytes()]).toEqual([4096, 0]);
    expect(two.stats()['device.stores']).toBe(0);
  });

  test('backs one range, and no larger one than it has pages', () => {
    const { device } = plug(SMALL);
    expect(() => device.attach({ nid: 3, base: 0, pages: 1 })).toThrow('it backs node 2 already');
    const services = plug({ ...SMALL, name: 'other' }).services;
    cxlCompressDevice({ ...SMALL, name: 'fresh' }).register?.(services);
    const fresh = services.get(deviceToken('fresh'));
    expect(() => fresh.attach({ nid: 3, base: 0, pages: 17 })).toThrow(
      '17 pages are to be backed and it has 16',
    );
  });

  test('must be attached before it is used', () => {
    const services = plug(SMALL).services;
    cxlCompressDevice({ ...SMALL, name: 'fresh' }).register?.(services);
    expect(() => services.get(deviceToken('fresh')).store(0, 1)).toThrow('attached before');
  });
});

describe('options out of range are refused by name', () => {
  test.each<[string, Partial<CxlCompressOptions>]>([
    ['name is empty', { name: '' }],
    ['logicalPages is 0, not in 1..268435456', { logicalPages: 0 }],
    ['logicalPages is 1.5, not a whole number', { logicalPages: 1.5 }],
    ['capacityBytes is 4095, not in 4096..', { capacityBytes: 4095 }],
    ['capacityBytes is NaN, not a whole number', { capacityBytes: Number.NaN }],
    ['codec is empty', { codec: '' }],
    ['blockBytes is 8192, not in 256..4096', { blockBytes: 8192 }],
    ['blockBytes is 1000, not a power of two', { blockBytes: 1000 }],
    ['granuleBytes is 8, not in 16..4096', { granuleBytes: 8 }],
    ['metadataBytes is -1, not in 0..4096', { metadataBytes: -1 }],
    ['lowBytes is 32768, not in 1..32767', { lowBytes: 8 * PAGE_SIZE }],
    ['lowBytes and lowFraction are both given: give one', { lowBytes: 9, lowFraction: 0.9 }],
    ['lowFraction is 1.1, not in 0..1', { lowFraction: 1.1 }],
    ['the high mark 29491 is not below the low mark 16384', { highFraction: 0.9 }],
    ['interruptNs is -1, not in 0..', { interruptNs: -1 }],
    [
      'interruptFaults.lossProbability is 2, not in 0..1',
      { interruptFaults: { lossProbability: 2 } },
    ],
    ['lineNs is 0, not in', { lineNs: 0 }],
    ['bytesPerNs is 0, not in', { bytesPerNs: 0 }],
    ['engineBytesPerNs is 0, not in', { engineBytesPerNs: 0 }],
    ['traceIntervalNs is 0, not in 1..', { traceIntervalNs: 0 }],
  ])('%s', (detail, options) => {
    const make = () => cxlCompressDevice({ ...SMALL, ...options });
    expect(make).toThrow(MmError);
    expect(make).toThrow(detail);
  });

  test('the message says whose option it is and what to do', () => {
    expect(() => cxlCompressDevice({ ...SMALL, blockBytes: 1 })).toThrow(
      'cxl0: a device option is out of range: blockBytes is 1, not in 256..4096. ' +
        'See the options of the device for the range of each.',
    );
  });
});

test('the default low mark leaves room for 128 raw pages, but half of the device at least', () => {
  const marks = [512 * 1024, 1 << 20, 2 << 20, 64 << 20].map((capacityBytes) => {
    const { lowBytes, highBytes } = choicesOf({ logicalPages: 64, capacityBytes });
    return [Math.round((100 * lowBytes) / capacityBytes), highBytes < lowBytes];
  });
  expect(marks).toEqual([
    [50, true],
    [50, true],
    [75, true],
    [90, true],
  ]);
});
