import {
  createMachine,
  diskSwap,
  type Machine,
  MmError,
  type Plugin,
  pteType,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import {
  type ZoneDeviceCompressOptions,
  type ZoneDeviceCompressPlugin,
  zoneDeviceCompress,
} from '../../src/index.js';
import { type FakeDevice, fakeDevice } from '../support/fake-device.js';

interface Plugged {
  readonly machine: Machine;
  readonly driver: ZoneDeviceCompressPlugin;
  readonly device: FakeDevice;
}

/** 1024 pages of RAM and a device of as many, which holds half of them if nothing shrinks. */
function plugged(
  options: Partial<ZoneDeviceCompressOptions> = {},
  sizes: readonly [number, number] = [1000, 1000],
  swap: readonly Plugin[] = [],
): Plugged {
  const fake = fakeDevice({ capacityBytes: 512 * 4096, logicalPages: 1024, sizes });
  const driver = zoneDeviceCompress({ nid: 1, ...options });
  const nodes = [
    { id: 0, pages: 1024, cpus: 1 },
    { id: 1, pages: 1024, online: false },
  ];
  const machine = createMachine({ seed: 1, nodes }, [fake, driver, ...swap]);
  return { machine, driver, device: fake.device() };
}

function check({ machine, driver, device }: Plugged): void {
  machine.verify();
  driver.driver()?.verify();
  const { lostPages, staleReads, leakedPages } = machine.engine.shadow.counts;
  expect([lostPages, staleReads, leakedPages, device.overflows]).toEqual([0, 0, 0, 0]);
}

test('a program larger than RAM lives on without swap, and nothing is killed', () => {
  const it = plugged();
  const task = it.machine.createTask('big');
  task.mmap(0, 1600);
  for (let vpn = 0; vpn < 1600; vpn++) task.write(vpn, 10);
  for (let vpn = 0; vpn < 1600; vpn += 3) task.read(vpn, 10);
  const stats = it.machine.stats();
  expect([task.alive, stats['vmstat.oom_kill']]).toEqual([true, 0]);
  expect(stats['zone_device.faults']).toBeGreaterThan(100);
  expect(stats['migrate.demoted']).toBeGreaterThan(600);
  check(it);
});

test('what does not shrink is refused before the device overflows, and the rest is swapped', () => {
  const it = plugged({}, [4096, 8192], [diskSwap({ pages: 2048 })]);
  const task = it.machine.createTask('dense');
  task.mmap(0, 1900);
  for (let vpn = 0; vpn < 1900; vpn++) task.write(vpn, 10);
  for (let vpn = 0; vpn < 1900; vpn++) task.read(vpn, 10);
  it.machine.clock.advance(50_000_000);
  const stats = it.machine.stats();
  expect(task.alive).toBe(true);
  expect(stats['zone_device.interrupts.low']).toBeGreaterThan(0);
  expect(stats['zone_device.evictions']).toBeGreaterThan(0);
  expect(stats['swap.out']).toBeGreaterThan(0);
  expect(it.device.usedBytes()).toBeLessThanOrEqual(it.device.capacityBytes);
  check(it);
});

test('a full device and a full RAM without swap end in a kill, not in a loss', () => {
  const it = plugged({}, [4096, 4096]);
  const task = it.machine.createTask('too big');
  task.mmap(0, 1900);
  let killed = false;
  for (let vpn = 0; vpn < 1900 && !killed; vpn++) killed = task.write(vpn, 10) === 'killed';
  expect(killed).toBe(true);
  expect(it.driver.driver()?.pages.inUse).toBe(0);
  check(it);
});

test('a fault costs the trap, the migration, the device’s read, and no TLB flush', () => {
  const it = plugged();
  const task = it.machine.createTask('one');
  task.mmap(0, 1400);
  for (let vpn = 0; vpn < 1400; vpn++) task.write(vpn);
  const { ptes, cost, clock } = it.machine;
  const onDevice = (vpn: number): boolean => pteType(ptes.bits[ptes.find(task.mm.id, vpn)]!) > 0;
  it.machine.clock.advance(100_000_000);
  const vpn = Array.from({ length: 1400 }, (_, at) => at).find(onDevice) ?? -1;
  expect(vpn).toBeGreaterThanOrEqual(0);
  const before = clock.now;
  task.read(vpn);
  const copyNs = cost.copyPageNs({
    source: it.machine.nodes.pgdat(1),
    target: it.machine.nodes.pgdat(0),
  });
  const { trap, migratePage, copyPage, dramLine } = cost.ns;
  expect(clock.now - before).toBeCloseTo(trap + migratePage - copyPage + copyNs + 300 + dramLine);
});

test('unplugging brings everything back and frees the range', () => {
  const it = plugged();
  const task = it.machine.createTask('task');
  task.mmap(0, 1200);
  for (let vpn = 0; vpn < 1200; vpn++) task.write(vpn);
  expect(it.driver.driver()?.pages.inUse).toBeGreaterThan(0);
  task.munmap(0, 600);
  it.machine.remove();
  expect(it.machine.stats()['zone_device.unplugged']).toBe(1);
  expect([it.driver.driver()?.pages.inUse, it.device.storedPages()]).toEqual([0, 0]);
  for (let vpn = 600; vpn < 1200; vpn++) task.read(vpn);
  check(it);
});

test('unplugging kills nobody: without room in RAM it fails and the driver goes on', () => {
  const it = plugged();
  const task = it.machine.createTask('task');
  task.mmap(0, 1500);
  for (let vpn = 0; vpn < 1500; vpn++) task.write(vpn);
  expect(() => it.machine.remove()).toThrow(/EBUSY.*no room for/);
  const stats = it.machine.stats();
  expect([stats['zone_device.unplugged'], stats['vmstat.oom_kill']]).toEqual([0, 0]);
  for (let vpn = 0; vpn < 100; vpn++) task.read(vpn);
  check(it);
});

test('options out of range and nodes that are no device memory are refused', () => {
  expect(() => zoneDeviceCompress({ nid: 1, batchPages: 0 })).toThrow(/batchPages is 0/);
  expect(() => zoneDeviceCompress({ nid: 1, startFactor: 2, stopFactor: 1 })).toThrow(MmError);
  expect(() => plugged({ nid: 0 })).toThrow(/zone-device:cxl0.*ENXIO/);
  expect(() => plugged({ device: 'nvm7' })).toThrow(MmError);
});
