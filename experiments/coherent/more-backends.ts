/** Ways of having more memory whose policy is the kernel's or a driver's. */
import { cxlCompressDevice, cxlCompression } from '@mm-lab/backend-cxl-compress';
import { zoneDeviceCompress } from '@mm-lab/backend-zone-device';
import { cram, MENDED_FOR_CRAM } from '@mm-lab/cram';
import { type Machine, PAGE_SIZE, type Plugin } from '@mm-lab/mm-core';
import { GFP_PRIVATE, nodePrivate } from '@mm-lab/node-private';
import {
  byMovePages,
  DEVICE,
  type DeviceBackend,
  type DeviceLab,
  DRAM,
  hugePagesOf,
  type LabSize,
  machineOf,
  nodesOf,
  removed,
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

/** Memory whose pages only its policy moves, without huge pages. */
function byPolicy(machine: Machine): DeviceLab {
  return {
    machine,
    toDevice: () => undefined,
    hugePages: () => 0,
    unplug: () => removed(machine),
  };
}

export const CRAM: DeviceBackend = {
  name: 'CRAM',
  build: (size) => {
    const compression = cxlCompression({ nid: DEVICE });
    const rules = nodePrivate(MENDED_FOR_CRAM);
    const machine = machineOf(size, [rules, cram(), device(size), compression]);
    return {
      ...byPolicy(machine),
      toDevice: byMovePages(machine),
      hugePages: () => hugePagesOf(machine, GFP_PRIVATE),
    };
  },
};

/** Its driver demotes what is cold by itself; no program can ask it to. */
export const ZONE_DEVICE_COMPRESS: DeviceBackend = {
  name: 'DEVICE_PRIVATE, compressing',
  build: (size) => {
    const driver = zoneDeviceCompress({ device: 'cxl0', nid: DEVICE });
    return byPolicy(machineOf(size, [device(size), driver]));
  },
};

/** No device: cold pages stay in DRAM, compressed, before they go to swap. */
export const ZSWAP: DeviceBackend = {
  name: 'zswap',
  build: (size) => {
    const nodes = nodesOf(size).filter(({ id }) => id === DRAM);
    const zswap = { enabled: true, max_pool_percent: 50 };
    return { ...byPolicy(machineOf(size, [], { nodes, zswap })), unplug: () => '–' };
  },
};
