/** Ways of having more memory whose policy is the kernel's or a driver's. */
import { cxlCompressDevice, cxlCompression } from '@mm-lab/backend-cxl-compress';
import { zoneDeviceCompress } from '@mm-lab/backend-zone-device';
import { cram } from '@mm-lab/cram';
import { createMachine, PAGE_SIZE, type Plugin } from '@mm-lab/mm-core';
import { GFP_PRIVATE, nodePrivate } from '@mm-lab/node-private';
import {
  byMovePages,
  configOf,
  contents,
  DEVICE,
  type DeviceBackend,
  hugePagesOf,
  type LabSize,
  nodesOf,
  removed,
  swap,
} from './kit.ts';

/** Line of every device of this folder, in ns. */
const LINE_NS = 300;

/** A device that compresses and promises no more than it has: nothing can overflow. */
function device({ devicePages }: LabSize): Plugin {
  return cxlCompressDevice({
    name: 'cxl0',
    logicalPages: devicePages,
    capacityBytes: devicePages * PAGE_SIZE,
    codec: 'lz4',
    lineNs: LINE_NS,
  });
}

const nothing = (): void => undefined;

export const CRAM: DeviceBackend = {
  name: 'CRAM',
  build: (size) => {
    const mended = { reclaimFrees: 'mended', swapIn: 'mended', sharedMaps: 'mended' } as const;
    const plugins = [
      contents(size),
      nodePrivate(mended),
      cram(),
      device(size),
      cxlCompression({ nid: DEVICE }),
      swap(),
    ];
    const machine = createMachine(configOf(size, nodesOf(size)), plugins);
    return {
      machine,
      ...byMovePages(machine),
      hugePages: () => hugePagesOf(machine, GFP_PRIVATE),
      makeRoom: () => 0,
      callbacks: 5,
      unplug: () => removed(machine),
    };
  },
};

/** Its driver demotes what is cold by itself; no program can ask it to. */
export const ZONE_DEVICE_COMPRESS: DeviceBackend = {
  name: 'DEVICE_PRIVATE, compressing',
  build: (size) => {
    const driver = zoneDeviceCompress({ device: 'cxl0', nid: DEVICE });
    const plugins = [contents(size), device(size), driver, swap()];
    const machine = createMachine(configOf(size, nodesOf(size)), plugins);
    return {
      machine,
      toDevice: nothing,
      toRam: nothing,
      hugePages: () => 0,
      makeRoom: () => 0,
      callbacks: 2,
      unplug: () => removed(machine),
    };
  },
};

/** No device: cold pages stay in DRAM, compressed, before they go to swap. */
export const ZSWAP: DeviceBackend = {
  name: 'zswap',
  build: (size) => {
    const [dram] = nodesOf(size);
    const nodes = dram === undefined ? [] : [dram];
    const config = { ...configOf(size, nodes), zswap: { enabled: true, max_pool_percent: 50 } };
    const machine = createMachine(config, [contents(size), swap()]);
    return {
      machine,
      toDevice: nothing,
      toRam: nothing,
      hugePages: () => 0,
      makeRoom: () => 0,
      callbacks: 0,
      unplug: () => '–',
    };
  },
};
