import {
  cram,
  fourPhase,
  type PressureController,
  pressurePolicy,
  proportional,
} from '@mm-lab/cram';
import {
  createMachine,
  diskSwap,
  type Machine,
  PageData,
  type Plugin,
  Prng,
} from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { expect, test } from 'vitest';
import { cxlCompressDevice, cxlCompression } from '../../src/index.js';

const DEVICE = 1;
const LOGICAL_PAGES = 1024;
const CAPACITY_PAGES = 400;

/** Every page of every size, changing with each store. */
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

/** A program twice as large as DRAM that stores and reads at random; checked as it goes. */
function run(policy: readonly Plugin[], seed: number): Machine {
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
      data,
      nodePrivate({ reclaimFrees: 'mended', swapIn: 'mended', sharedMaps: 'mended' }),
      cram(),
      ...policy,
      cxlCompressDevice({
        logicalPages: LOGICAL_PAGES,
        capacityBytes: CAPACITY_PAGES * 4096,
        lowFraction: 0.6,
        highFraction: 0.5,
      }),
      cxlCompression({ nid: DEVICE }),
      diskSwap({ pages: 8192 }),
    ],
  );
  const task = machine.createTask('t');
  const prng = new Prng(seed);
  const pages = 1600;
  task.mmap(0, pages);
  for (let step = 0; step < 8000; step++) {
    const vpn = prng.below(pages);
    task.access(vpn, step < 3000 || prng.chance(0.3));
    if (step % 3000 === 0) machine.verify();
  }
  machine.verify();
  return machine;
}

function integrityOf(machine: Machine): Readonly<Record<string, number | undefined>> {
  const stats = machine.stats();
  return {
    lost: stats['integrity.lost_pages'],
    stale: stats['integrity.stale_reads'],
    leaked: stats['integrity.leaked_pages'],
    overflow: stats['device.overflow_events'],
  };
}

const SAFE = { lost: 0, stale: 0, leaked: 0, overflow: 0 };

const POLICIES: Readonly<Record<string, readonly Plugin[]>> = {
  'bang-bang, the default': [],
  proportional: [pressurePolicy(() => proportional({ from: 0.4, to: 0.7, pollNs: 100_000 }))],
  'four-phase': [
    pressurePolicy(() =>
      fourPhase([
        { pressure: 0, until: 0.5, back: 0 },
        { pressure: 250, until: 0.55, back: 0.45 },
        { pressure: 500, until: 0.6, back: 0.5 },
        { pressure: 1000, until: 1, back: 0.55 },
      ]),
    ),
  ],
};

for (const [name, policy] of Object.entries(POLICIES)) {
  test.for([1, 2])(`${name} loses nothing, seed %i`, (seed) => {
    const machine = run(policy, seed);
    expect(integrityOf(machine)).toEqual(SAFE);
    expect(machine.stats()['cram.promotions']).toBeGreaterThan(0);
  });
}

test('a controller of somebody else takes a few lines', () => {
  const heard: string[] = [];
  const mine: PressureController = {
    pollNs: 0,
    pressure(cause) {
      heard.push(cause);
      return cause === 'low' ? 1000 : 400;
    },
  };
  expect(integrityOf(run([pressurePolicy(() => mine)], 1))).toEqual(SAFE);
  expect(heard[0]).toBe('low');
});
