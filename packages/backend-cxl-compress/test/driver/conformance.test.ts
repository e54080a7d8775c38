import { cram } from '@mm-lab/cram';
import { type NodeConfig, PageData, type Plugin } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { describeDriver } from '@mm-lab/testkit';
import { describe, it } from 'vitest';
import {
  cxlCompressDevice,
  cxlCompression,
  cxlSysram,
  type InterruptFaults,
} from '../../src/index.js';

const NODES: readonly NodeConfig[] = [
  { id: 0, pages: 320, cpus: 1 },
  { id: 1, pages: 1024, online: false },
];

/** Pages of every size, from one sector to incompressible, changing with each store. */
const data: Plugin = {
  name: 'data',
  register(services) {
    const sizes: PageData = {
      keyOf: (vpn, version) => 1 + ((vpn * 7 + version * 13) % 61),
      render: (key, out) => out.fill(key),
      compressedSize: (key) => (key === 0 ? 0 : Math.min(4096, 64 * key + 40)),
    };
    services.bindValue(PageData, sizes);
  },
};

function device(interruptFaults: InterruptFaults = {}): Plugin {
  const capacityBytes = 500 * 4096;
  return cxlCompressDevice({ logicalPages: 1024, capacityBytes, interruptFaults });
}

function onCram(faults: InterruptFaults = {}): readonly Plugin[] {
  return [
    data,
    device(faults),
    nodePrivate({ swapIn: 'mended', sharedMaps: 'mended' }),
    cram(),
    cxlCompression({ nid: 1, teardown: 'evacuate-first' }),
  ];
}

describeDriver(
  { describe, it },
  {
    name: 'CXL compression on CRAM',
    plugins: () => onCram(),
    nodes: NODES,
    faults: [
      {
        name: 'late interrupts',
        plugins: () => onCram({ lateProbability: 0.5, lateNs: 500_000 }),
        mayLose: true,
      },
      {
        name: 'lost interrupts',
        plugins: () => onCram({ lossProbability: 0.5 }),
        mayLose: true,
      },
    ],
  },
);

describeDriver(
  { describe, it },
  {
    name: 'CXL compression as ordinary memory',
    plugins: () => [data, device(), cxlSysram({ nid: 1 })],
    nodes: NODES,
    mayLose: true,
  },
);
