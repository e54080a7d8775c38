import { cram } from '@mm-lab/cram';
import type { NodeConfig, Plugin } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { describeDriver, everySize } from '@mm-lab/testkit';
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

function device(interruptFaults: InterruptFaults = {}): Plugin {
  const capacityBytes = 500 * 4096;
  return cxlCompressDevice({ logicalPages: 1024, capacityBytes, interruptFaults });
}

function onCram(faults: InterruptFaults = {}): readonly Plugin[] {
  return [
    everySize,
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
    plugins: () => [everySize, device(), cxlSysram({ nid: 1 })],
    nodes: NODES,
    mayLose: true,
  },
);
