import { cram } from '@mm-lab/cram';
import { createMachine, N_MEMORY_PRIVATE } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { Peek } from '@mm-lab/testkit';
import { expect, test } from 'vitest';
import {
  type CompressionOptions,
  CxlSysramsToken,
  cxlCompressDevice,
  cxlCompression,
} from '../../src/index.js';

const PAGES = 1024;
const REGION = 65536;

/** Nodes 1 to 9 have a device each, dev1 to dev9. */
function machineWith(driver: CompressionOptions, pagesOfDevices = PAGES) {
  const ids = [1, 2, 3, 4, 5, 6, 7, 8, 9];
  const pages = driver.regions?.length === 0 ? REGION : PAGES;
  const nodes = [{ id: 0, pages, cpus: 1 }, ...ids.map((id) => ({ id, pages, online: false }))];
  const devices = ids.map((id) =>
    cxlCompressDevice({
      name: `dev${id}`,
      logicalPages: pagesOfDevices,
      capacityBytes: pagesOfDevices * 4096,
    }),
  );
  const peek = new Peek();
  const machine = createMachine({ seed: 1, nodes }, [
    nodePrivate(),
    peek,
    cram(),
    ...devices,
    cxlCompression({ teardown: 'evacuate-first', ...driver }),
  ]);
  return { machine, services: peek.services };
}

const regionsOf = (nids: readonly number[]) => nids.map((nid) => ({ nid, device: `dev${nid}` }));

test('every region comes under CRAM, up to eight, and all of them go again', () => {
  const { machine, services } = machineWith({
    nid: 1,
    regions: regionsOf([1, 2, 3, 4, 5, 6, 7, 8, 9]),
  });
  const online = machine.nodes.inState(N_MEMORY_PRIVATE);
  const stats = Object.keys(machine.stats()).filter((name) => name.endsWith('flush.runs'));
  machine.remove();
  expect([online, stats.length, machine.nodes.inState(N_MEMORY_PRIVATE)]).toEqual([
    [1, 2, 3, 4, 5, 6, 7, 8],
    8,
    [],
  ]);
  expect(services.get(CxlSysramsToken).all()).toEqual([]);
  machine.verify();
});

test('one region that can’t be converted is -EIO for all', () => {
  const regions = [...regionsOf([1]), { nid: 63, device: 'dev2' }];
  expect(() => machineWith({ nid: 1, regions })).toThrow('EIO');
});

test('if no region can be converted it makes one, for which their device has no room', () => {
  const regions = [{ nid: 63, device: 'dev1' }];
  expect(() => machineWith({ nid: 1, device: 'dev1', regions })).toThrow('ENOSPC');
});

test('each region counts its own flushes', () => {
  const { machine } = machineWith({ nid: 1, regions: regionsOf([1, 2]) });
  const task = machine.createTask('t');
  task.mmap(0, 8);
  for (let vpn = 0; vpn < 8; vpn++) task.write(vpn);
  task.movePages([0, 1, 2, 3, 4, 5, 6, 7], 2);
  task.exit();
  machine.sleep(2e9);
  const stats = machine.stats();
  expect([stats['flush.commands'], stats['region1.flush.commands']]).toEqual([0, 1]);
});

test('without a region it makes one of the device’s pages, in whole 256 MB', () => {
  const made = machineWith({ nid: 1, device: 'dev1', regions: [] }, REGION + 5);
  expect([
    made.machine.nodes.inState(N_MEMORY_PRIVATE),
    made.machine.nodes.pgdat(1).managedPages(),
  ]).toEqual([[1], REGION]);
  expect(() => machineWith({ nid: 1, device: 'dev1', regions: [] }, REGION - 1)).toThrow('ENOSPC');
  made.machine.verify();
});
