import { expect, test } from 'vitest';
import { cxlSysram } from '../../src/index.js';
import { DEVICE, deviceMachineOf, PAGES } from './device-machine.js';

const VPNS = [...Array(100).keys()];

function machineWithDevice() {
  const nodes = [{ id: 2, pages: PAGES, online: false }];
  return deviceMachineOf({ drivers: [cxlSysram({ nid: DEVICE })], nodes });
}

test('a device is unplugged empty, and plugged again as if new', () => {
  const { machine, device } = machineWithDevice();
  const task = machine.createTask('t');
  task.mmap(0, VPNS.length);
  for (const vpn of VPNS) task.write(vpn);
  const held = () => [device.storedPages(), device.usedBytes() > 0] as const;
  task.movePages(VPNS, 1);
  const plugged = held();
  const offline = machine.hotplug.offlinePages(1);
  const unplugged = [device.storedPages(), device.usedBytes()];
  device.verify();
  const online = machine.hotplug.onlinePages(1, device);
  task.movePages(VPNS, 1);
  for (const vpn of VPNS) task.read(vpn);
  expect({ plugged, offline, unplugged, online, again: held() }).toEqual({
    plugged: [VPNS.length, true],
    offline: 0,
    unplugged: [0, 0],
    online: 0,
    again: [VPNS.length, true],
  });
  expect(machine.stats()['integrity.lost_pages']).toBe(0);
  machine.verify();
});

test('a device that refuses leaves the node as it was', () => {
  const { machine, device } = machineWithDevice();
  expect(() => machine.hotplug.onlinePages(2, device)).toThrow('it backs node 1 already');
  const pgdat = machine.nodes.pgdat(2);
  expect([pgdat.device, pgdat.managedPages(), machine.hotplug.onlinePages(2, null)]).toEqual([
    null,
    0,
    0,
  ]);
  machine.verify();
});
