// The machines that `scripts/fuzz.mjs --driver NAME` fuzzes: options of `fuzzMachine` by name.

import { cxlCompressDevice, cxlCompression, cxlSysram } from '@mm-lab/backend-cxl-compress';
import { deviceCoherent } from '@mm-lab/backend-device-coherent';
import {
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_PRIVATE,
  testHmm,
  zoneDeviceCompress,
} from '@mm-lab/backend-zone-device';
import { cram } from '@mm-lab/cram';
import { diskSwap, PageData, zramSwap } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { WINDOW_PAGES } from '@mm-lab/testkit';

const LOGICAL_PAGES = 1024;
const SWAP = { pages: 4096, codec: 'lz4' };
const CAPACITY_BYTES = 500 * 4096;

/** Pages of every size, from one sector to incompressible, changing with each store. */
const data = {
  name: 'data',
  register(services) {
    services.bindValue(PageData, {
      keyOf: (vpn, version) => 1 + ((vpn * 7 + version * 13) % 61),
      render: (key, out) => out.fill(key),
      compressedSize: (key) => (key === 0 ? 0 : Math.min(4096, 64 * key + 40)),
    });
  },
};

function device() {
  // A direct reclaimer takes no time, so a run of it comes before the interrupt that it causes: the
  // headroom has to hold one.
  const headroom = { lowFraction: 0.65, highFraction: 0.5 };
  return cxlCompressDevice({
    logicalPages: LOGICAL_PAGES,
    capacityBytes: CAPACITY_BYTES,
    ...headroom,
  });
}

function nodes(seed) {
  return [
    { id: 0, pages: 250 + ((seed * 37) % 400), cpus: 1 + (seed % 2) },
    { id: 1, pages: LOGICAL_PAGES, online: false },
    { id: 2, pages: (seed * 53) % 500, lineNs: seed % 3 === 0 ? 180 : 100 },
  ];
}

export const DRIVERS = {
  none: () => ({}),
  // One small node and a swap device that holds what memory does not: zswap is never idle.
  zswap: (seed) => ({
    nodes: [{ id: 0, pages: 200 + ((seed * 37) % 200), cpus: 1 + (seed % 2) }],
    plugins: [data, seed % 3 === 0 ? zramSwap(SWAP) : diskSwap(SWAP)],
    sysctl: { swappiness: 200 },
    zswap: { enabled: true, max_pool_percent: [5, 40, 90][seed % 3] },
  }),
  cram: (seed) => ({
    nodes: nodes(seed),
    plugins: [
      data,
      device(),
      nodePrivate({
        reclaimFrees: seed % 2 === 0 ? 'v4' : 'mended',
        swapIn: 'mended',
        sharedMaps: 'mended',
      }),
      cram(),
      cxlCompression({ nid: 1, teardown: 'evacuate-first' }),
    ],
    sysctl: { demotion_enabled: true },
    mayHang: true,
  }),
  sysram: (seed) => ({
    nodes: nodes(seed),
    plugins: [data, device(), cxlSysram({ nid: 1 })],
    mayLose: true,
  }),
  // Demotes by itself when RAM is short; every access to what it moved faults.
  'zone-device': (seed) => ({
    nodes: nodes(seed),
    plugins: [data, device(), zoneDeviceCompress({ device: 'cxl0', nid: 1 })],
  }),
  // The kernel's HMM test device, private and coherent, told by programs what to move.
  'test-hmm': (seed) => {
    const units = [
      { type: MEMORY_DEVICE_PRIVATE, nid: 1 },
      { type: MEMORY_DEVICE_COHERENT, nid: 2 },
    ];
    const driver = testHmm({ units, chunkPages: 512 });
    return {
      nodes: [
        { id: 0, pages: 1200 + ((seed * 37) % 800), cpus: 1 + (seed % 2) },
        { id: 1, pages: LOGICAL_PAGES, online: false },
        { id: 2, pages: 512, online: false },
      ],
      plugins: [data, driver, diskSwap(SWAP)],
      operations: [hmmCommand(driver)],
    };
  },
  'device-coherent': (seed) => {
    const driver = deviceCoherent({ nid: 1 });
    return {
      nodes: nodes(seed),
      plugins: [data, nodePrivate(), driver, diskSwap(SWAP)],
      operations: [coherentCommand(driver)],
    };
  },
};

/** A command of the test device on a random range, through a handle of its own. */
function hmmCommand(driver) {
  return {
    name: 'hmm',
    always: true,
    weight: 4,
    run: ({ machine, random }, { task, base }) => {
      const start = base + random.below(WINDOW_PAGES);
      const end = start + 1 + random.below(base + WINDOW_PAGES - start);
      const handle = driver.open(random.below(2), task.mm);
      machine.work.runAs(task.struct);
      const command = random.pick(['migrateToDevice', 'migrateToDevice', 'migrateToSystem']);
      const { rc, pages } = handle[command](start, end);
      handle.mirror.close();
      machine.spend();
      return `${command} ${start} ${end}: ${rc} ${pages}`;
    },
  };
}

function coherentCommand(driver) {
  return {
    name: 'ioctl',
    always: true,
    weight: 4,
    run: ({ machine, random }, { task, base }) => {
      const start = random.below(WINDOW_PAGES);
      const pages = 1 + random.below(WINDOW_PAGES - start);
      const command = random.pick(['migrateToDevice', 'migrateToSystem']);
      const { rc, moved, left } = driver[command](task.mm, base + start, pages);
      machine.spend();
      return `${command} ${start} ${pages}: ${rc} ${moved} ${left}`;
    },
  };
}
