import { cram, MENDED_FOR_CRAM } from '@mm-lab/cram';
import { createMachine, diskSwap, type Machine, Prng } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { contentsOf } from '@mm-lab/testkit';
import { expect, test } from 'vitest';
import { type CxlCompressOptions, cxlCompressDevice, cxlCompression } from '../../src/index.js';
import { integrityOf, SAFE } from './policy-run.js';

const DEVICE = 1;
const LOGICAL_PAGES = 4096;
const CAPACITY_PAGES = 1280;
/** Pages of which two fit into the space of one, and pages that do not shrink. */
const SMALL_PAGES = 2800;
const RAW_PAGES = 1600;

/** Key and size of a page follow from where it is: a small one takes at most half a page. */
const SMALL_AND_RAW = contentsOf({
  keyOf: (vpn, version) => (vpn < SMALL_PAGES ? 1024 + ((vpn * 37 + version) % 1024) : 4096),
  render: (key, out) => out.fill(key),
  compressedSize: (key) => key,
});

/**
 * Small pages fill the device, every second of them is unmapped, and pages that do not shrink
 * find the holes too small: only what a medium reports as used stops them.
 */
function tornAndFilled(seed: number, device: Partial<CxlCompressOptions>): Machine {
  const machine = createMachine(
    {
      seed,
      nodes: [
        { id: 0, pages: 700, cpus: 1 },
        { id: DEVICE, pages: LOGICAL_PAGES, online: false },
      ],
      sysctl: { demotion_enabled: true },
    },
    [
      SMALL_AND_RAW,
      nodePrivate(MENDED_FOR_CRAM),
      cram(),
      cxlCompressDevice({
        logicalPages: LOGICAL_PAGES,
        capacityBytes: CAPACITY_PAGES * 4096,
        lowFraction: 0.9,
        highFraction: 0.8,
        ...device,
      }),
      cxlCompression({ nid: DEVICE, flush: 'none', teardown: 'evacuate-first' }),
      diskSwap({ pages: 8192 }),
    ],
  );
  const task = machine.createTask('t');
  const random = new Prng(seed);
  task.mmap(0, SMALL_PAGES + RAW_PAGES);
  for (let vpn = 0; vpn < SMALL_PAGES; vpn++) task.access(vpn, true);
  for (let vpn = 0; vpn < SMALL_PAGES; vpn++) if (random.chance(1 / 2)) task.munmap(vpn, 1);
  for (let page = 0; page < RAW_PAGES; page++) task.access(SMALL_PAGES + page, true);
  for (let step = 0; step < 1500; step++) {
    task.access(SMALL_PAGES + random.below(RAW_PAGES), random.chance(0.5));
  }
  machine.verify();
  return machine;
}

const SHAPES: readonly (readonly [string, Partial<CxlCompressOptions>])[] = [
  ['first fit', { packing: 'first-fit' }],
  ['first fit, blocks apart', { packing: 'first-fit', blockBytes: 2048 }],
  ['size classes', { packing: [1024, 1536, 2048, 4096] }],
];

test.each(SHAPES)('what a torn medium reports as used keeps its node safe: %s', (_, device) => {
  for (const seed of [1, 2]) {
    const machine = tornAndFilled(seed, device);
    const { 'device.fragmentation_bytes': bytes = 0 } = machine.stats();
    expect(integrityOf(machine)).toEqual(SAFE);
    expect(bytes).toBeGreaterThan(0);
  }
});

test.each(SHAPES)('one that closes its holes does so, and is as safe: %s', (_, device) => {
  for (const seed of [1, 2]) {
    const machine = tornAndFilled(seed, { ...device, compaction: {} });
    const { 'device.compactions': times = 0 } = machine.stats();
    expect(integrityOf(machine)).toEqual(SAFE);
    expect(times).toBeGreaterThan(0);
  }
});
