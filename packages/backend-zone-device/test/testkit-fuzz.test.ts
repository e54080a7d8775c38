import { fuzzMachine } from '@mm-lab/testkit';
import { expect, test } from 'vitest';
import { zoneDeviceCompress } from '../src/index.js';
import { fakeDevice } from './support/fake-device.js';

/** One run of the testkit's fuzzer on a machine with little RAM and a smaller device. */
function fuzz(seed: number, steps: number): Readonly<Record<string, number>> {
  const devicePages = 100 + 50 * (seed % 7);
  const capacityBytes = devicePages * 2048;
  const device = fakeDevice({ capacityBytes, logicalPages: devicePages, sizes: [500, 3000] });
  const { stats } = fuzzMachine({
    seed,
    steps,
    nodes: [
      { id: 0, pages: 160 + 30 * (seed % 11), cpus: 2 },
      { id: 1, pages: devicePages, online: false },
    ],
    plugins: [device, zoneDeviceCompress({ nid: 1 })],
  });
  expect(device.device().overflows).toBe(0);
  return stats;
}

test('the testkit’s fuzzer finds nothing', () => {
  let faults = 0;
  for (let seed = 1; seed <= 12; seed++) faults += fuzz(seed, 400)['zone_device.faults'] ?? 0;
  expect(faults).toBeGreaterThan(500);
});
