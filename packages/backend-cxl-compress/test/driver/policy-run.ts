import { type CramOptions, cram, MENDED_FOR_CRAM } from '@mm-lab/cram';
import { createMachine, diskSwap, type Machine, type Plugin, Prng } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { everySize } from '@mm-lab/testkit';
import { type CxlCompressOptions, cxlCompressDevice, cxlCompression } from '../../src/index.js';

export const DEVICE = 1;
const LOGICAL_PAGES = 1024;
export const CAPACITY_PAGES = 400;

export interface PolicyRun {
  readonly seed: number;
  readonly policy: readonly Plugin[];
  readonly device?: Partial<CxlCompressOptions>;
  readonly cram?: CramOptions;
  readonly swapPages?: number;
  /** Default true. */
  readonly demotion?: boolean;
  /** Does the program end? */
  readonly exits?: boolean;
}

/** A program twice as large as DRAM that stores and reads at random; checked as it goes. */
export function runUnder(run: PolicyRun): Machine {
  const { seed, policy, device, cram: mends, swapPages = 8192 } = run;
  const machine = createMachine(
    {
      seed,
      nodes: [
        { id: 0, pages: 700, cpus: 1 },
        { id: DEVICE, pages: LOGICAL_PAGES, online: false },
      ],
      sysctl: { demotion_enabled: run.demotion ?? true },
    },
    [
      everySize,
      nodePrivate(MENDED_FOR_CRAM),
      cram(mends),
      ...policy,
      cxlCompressDevice({
        logicalPages: LOGICAL_PAGES,
        capacityBytes: CAPACITY_PAGES * 4096,
        lowFraction: 0.6,
        highFraction: 0.5,
        ...device,
      }),
      cxlCompression({ nid: DEVICE, flush: 'none', teardown: 'evacuate-first' }),
      diskSwap({ pages: swapPages }),
    ],
  );
  const task = machine.createTask('t');
  const prng = new Prng(seed);
  const pages = 1600;
  task.mmap(0, pages);
  for (let step = 0; step < 8000; step++) {
    const vpn = prng.below(pages);
    if (task.access(vpn, step < 3000 || prng.chance(0.3)) === 'killed') break;
    if (step % 2000 === 0) machine.verify();
  }
  if (run.exits === true) task.exit();
  machine.verify();
  return machine;
}

export function integrityOf(machine: Machine): Readonly<Record<string, number | undefined>> {
  const stats = machine.stats();
  return {
    lost: stats['integrity.lost_pages'],
    stale: stats['integrity.stale_reads'],
    leaked: stats['integrity.leaked_pages'],
    overflow: stats['device.overflow_events'],
  };
}

export const SAFE = { lost: 0, stale: 0, leaked: 0, overflow: 0 };
