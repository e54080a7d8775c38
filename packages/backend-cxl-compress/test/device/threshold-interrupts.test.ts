import fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { BASE, NID, type PluggedDevice, plug } from './plugged-device.js';

const CAPACITY = 100 * 64;
/** Usage can be set to any number of 64-byte sectors, one a page; marks at 90 and 80. */
const OPTIONS = {
  logicalPages: 128,
  capacityBytes: CAPACITY,
  interruptNs: 1000,
  lowFraction: 0.9,
  highFraction: 0.8,
} as const;

/** Stores or discards until `sectors` are in use. */
function use({ device }: PluggedDevice, sectors: number): void {
  for (let at = device.storedPages(); at < sectors; at++) device.store(BASE + at, 64);
  for (let at = device.storedPages(); at > sectors; at--) device.discard(BASE + at - 1);
}

describe('threshold interrupts', () => {
  test('come once usage is above the low mark, after the latency', () => {
    const plugged = plug(OPTIONS);
    const { clock, interrupts } = plugged;
    use(plugged, 90);
    clock.advance(5000);
    expect(interrupts).toEqual([]);
    use(plugged, 91);
    clock.advance(999);
    expect(interrupts).toEqual([]);
    clock.advance(1);
    expect(interrupts).toEqual([[6000, 'low']]);
  });

  test('say once that there is little, and once that there is enough again', () => {
    const plugged = plug(OPTIONS);
    const { clock, interrupts } = plugged;
    for (const sectors of [91, 89, 95, 80, 92, 79, 81, 90, 78, 91]) {
      use(plugged, sectors);
      clock.advance(10_000);
    }
    expect(interrupts).toEqual([
      [1000, 'low'],
      [51_000, 'high'],
      [91_000, 'low'],
    ]);
  });

  test('arrive in order although usage has changed meanwhile', () => {
    const plugged = plug(OPTIONS);
    use(plugged, 91);
    plugged.clock.advance(10);
    use(plugged, 0);
    plugged.clock.advance(2000);
    expect(plugged.interrupts).toEqual([
      [1000, 'low'],
      [1010, 'high'],
    ]);
  });

  test('reach every handler and are traced with the vectors of the RFC', () => {
    const plugged = plug(OPTIONS);
    const also: string[] = [];
    const traced: number[][] = [];
    plugged.device.onThreshold((kind) => also.push(kind));
    plugged.tracepoints.device_interrupt.on((now, nid, vector) => traced.push([now, nid, vector]));
    use(plugged, 95);
    plugged.clock.advance(2000);
    use(plugged, 10);
    plugged.clock.advance(2000);
    expect(also).toEqual(['low', 'high']);
    expect(traced).toEqual([
      [1000, NID, 12],
      [3000, NID, 13],
    ]);
    expect(plugged.stats()).toMatchObject({
      'device.interrupts.low': 1,
      'device.interrupts.high': 1,
    });
  });

  test('marks may be given as fractions', () => {
    const plugged = plug({ ...OPTIONS, lowFraction: 0.5, highFraction: 0.25 });
    use(plugged, 51);
    use(plugged, 24);
    plugged.clock.advance(1000);
    expect(plugged.interrupts.map(([, kind]) => kind)).toEqual(['low', 'high']);
  });

  test('follow the crossings of any usage: they alternate, low first, one latency later', () => {
    fc.assert(
      fc.property(fc.array(fc.nat(100), { maxLength: 60 }), (levels) => {
        const plugged = plug(OPTIONS);
        const expected: [number, string][] = [];
        let scarce = false;
        for (const level of levels) {
          use(plugged, level);
          if (!scarce && level > 90) expected.push([plugged.clock.now + 1000, 'low']);
          if (scarce && level < 80) expected.push([plugged.clock.now + 1000, 'high']);
          scarce = scarce ? level >= 80 : level > 90;
          plugged.clock.advance(300);
        }
        plugged.clock.advance(1000);
        expect(plugged.interrupts).toEqual(expected);
      }),
      { seed: 12, numRuns: 200 },
    );
  });
});

describe('interrupts that go wrong', () => {
  function flap(interruptFaults: object): PluggedDevice {
    const plugged = plug({ ...OPTIONS, interruptFaults });
    for (let at = 0; at < 100; at++) {
      use(plugged, at % 2 === 0 ? 95 : 10);
      plugged.clock.advance(10_000);
    }
    return plugged;
  }

  test('all lost: the handler is never called', () => {
    const { interrupts, stats } = flap({ lossProbability: 1 });
    expect(interrupts).toEqual([]);
    expect(stats()).toMatchObject({ 'device.interrupts.low': 0, 'device.interrupts.lost': 100 });
  });

  test('some lost: the same seed loses the same ones', () => {
    const first = flap({ lossProbability: 0.3, seed: 5 });
    const lost = first.stats()['device.interrupts.lost'];
    expect(flap({ lossProbability: 0.3, seed: 5 }).interrupts).toEqual(first.interrupts);
    expect(first.interrupts.length).toBe(100 - (lost ?? 0));
    expect(lost).toBeGreaterThan(15);
    expect(lost).toBeLessThan(45);
  });

  test('a late one is overtaken by the next', () => {
    const { interrupts, stats } = flap({ lateProbability: 0.2, lateNs: 15_000, seed: 3 });
    const inOrder = interrupts.every(([, kind], at) => kind === (at % 2 === 0 ? 'low' : 'high'));
    expect(inOrder).toBe(false);
    expect(stats()['device.interrupts.late']).toBeGreaterThan(0);
  });

  test('no faults by default, whatever the seed', () => {
    expect(flap({ seed: 1234 }).interrupts.length).toBe(100);
  });
});
