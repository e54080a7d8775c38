// The machines that `scripts/fuzz.mjs --driver NAME` fuzzes: options of `fuzzMachine` by name.

import { cxlCompressDevice, cxlCompression, cxlSysram } from '@mm-lab/backend-cxl-compress';
import { cram } from '@mm-lab/cram';
import { diskSwap, PageData, zramSwap } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';

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
};
