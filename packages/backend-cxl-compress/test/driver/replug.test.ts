import { createMachine, deviceToken, type Plugin } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { CxlCompressDevice, cxlCompressDevice, cxlSysram } from '../../src/index.js';

const PAGES = 1024;
const VPNS = [...Array(100).keys()];

function machineWithDevice() {
  const found: CxlCompressDevice[] = [];
  const peek: Plugin = {
    name: 'peek',
    probe(services) {
      const device = services.get(deviceToken('cxl0'));
      if (device instanceof CxlCompressDevice) found.push(device);
    },
  };
  const nodes = [
    { id: 0, pages: PAGES, cpus: 1 },
    { id: 1, pages: PAGES, online: false },
    { id: 2, pages: PAGES, online: false },
  ];
  const device = cxlCompressDevice({ logicalPages: PAGES, capacityBytes: PAGES * 4096 });
  const machine = createMachine({ seed: 1, nodes }, [device, cxlSysram({ nid: 1 }), peek]);
  const made = found[0];
  if (made === undefined) throw new Error('the plugin binds its device');
  return { machine, device: made };
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
