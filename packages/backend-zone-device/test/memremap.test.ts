import {
  createMachine,
  EBUSY,
  EINVAL,
  ENOMEM,
  ENXIO,
  N_MEMORY,
  type Plugin,
  PROT_READ,
  PROT_WRITE,
} from '@mm-lab/mm-core';
import { Peek } from '@mm-lab/testkit';
import { expect, test } from 'vitest';
import {
  bindZoneDevice,
  type DevPagemapRequest,
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_PRIVATE,
  type Memremap,
  MemremapToken,
} from '../src/index.js';
import { toyMachine } from './support/toy-driver.js';

const ops = { folio_free: () => undefined, migrate_to_ram: () => 0 };
const request: DevPagemapRequest = {
  name: 'test',
  type: MEMORY_DEVICE_PRIVATE,
  nid: 1,
  device: null,
  owner: ops,
  ops,
};

function memremapOf(): Memremap {
  const plugin: Plugin = { name: 'test', register: bindZoneDevice };
  const peek = new Peek();
  const nodes = [
    { id: 0, pages: 1024, cpus: 1 },
    { id: 1, pages: 128, online: false },
    { id: 2, pages: 0 },
  ];
  createMachine({ seed: 1, nodes }, [plugin, peek]);
  return peek.services.get(MemremapToken);
}

test('memremap_pages refuses what the kernel refuses', () => {
  const memremap = memremapOf();
  const noRam = { folio_free: ops.folio_free };
  const answers = [
    memremap.memremapPages({ ...request, nid: 9 }),
    memremap.memremapPages({ ...request, nid: 2 }),
    memremap.memremapPages({ ...request, nid: 0 }),
    memremap.memremapPages({ ...request, ops: noRam }),
  ];
  expect(answers).toEqual([-EINVAL, -EINVAL, -ENXIO, -EINVAL]);
  expect(memremap.memremapPages(request)).toBeTypeOf('object');
  expect(memremap.memremapPages({ ...request, name: 'again' })).toBe(-ENOMEM);
  const coherent = { ...request, ops: noRam, type: MEMORY_DEVICE_COHERENT } as const;
  expect(memremapOf().memremapPages(coherent)).toBeTypeOf('object');
});

test('device memory is in no zone, no zonelist and no node state', () => {
  const { machine } = toyMachine();
  const { nodes } = machine;
  expect(nodes.inState(N_MEMORY)).toEqual([0]);
  expect(nodes.pgdat(1).managedPages()).toBe(0);
  expect(nodes.pgdat(0).fallback.map(({ nid }) => nid)).toEqual([0]);
});

test('a page map goes when its last page was freed, and not before', () => {
  const { machine, driver, task } = toyMachine();
  task.mmap(0, 8, PROT_READ | PROT_WRITE);
  for (let vpn = 0; vpn < 8; vpn++) task.write(vpn);
  expect(driver.toDevice(task, 0, 8)).toBe(8);
  const { pgmap } = driver;
  if (pgmap === null) throw new Error('not probed');
  expect([pgmap.allocated, driver.free.length]).toEqual([8, 248]);
  expect(driver.memremap.memunmapPages(pgmap)).toBe(-EBUSY);
  task.munmap(0, 7);
  expect([pgmap.allocated, driver.memremap.memunmapPages(pgmap)]).toEqual([1, -EBUSY]);
  task.exit();
  expect([pgmap.allocated, driver.free.length]).toEqual([0, 256]);
  expect(driver.memremap.memunmapPages(pgmap)).toBe(0);
  expect(machine.managed.ownerOf(pgmap.base)).toBeNull();
  machine.verify();
});

test('a driver may have hundreds of page maps, and come and go as often', () => {
  const memremap = memremapOf();
  for (let round = 0; round < 5; round++) {
    const pagemaps = Array.from({ length: 128 }, (_, at) => {
      const start = memremap.requestFreeRegion(1, 1);
      return memremap.memremapPages({ ...request, name: `${at}`, range: { start, pages: 1 } });
    });
    expect(memremap.requestFreeRegion(1, 1)).toBe(-1);
    for (const pagemap of pagemaps) {
      if (typeof pagemap === 'number') throw new Error('refused');
      expect(memremap.pgmapOf(pagemap.base)).toBe(pagemap);
      expect(memremap.memunmapPages(pagemap)).toBe(0);
    }
  }
});
