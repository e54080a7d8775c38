import type { Plugin } from '@mm-lab/mm-core';
import { everySize, type FuzzOperation, type FuzzOptions } from '@mm-lab/testkit';
import { type CxlCompressOptions, cxlCompressDevice } from '../../src/index.js';
import { DEVICE, DRAM } from './device-machine.js';

export const LOGICAL_PAGES = 1024;
export const CAPACITY_PAGES = 500;

/** A fuzzed machine whose node 1 is a compressing device's. */
export interface FuzzRun {
  readonly seed: number;
  readonly steps: number;
  /** Who looks after the node. */
  readonly guard: readonly Plugin[];
  readonly device?: Partial<CxlCompressOptions>;
}

export function fuzzOptionsOf({ seed, steps, guard, device }: FuzzRun): FuzzOptions {
  return {
    seed,
    steps,
    nodes: [
      { id: DRAM, pages: 250 + ((seed * 37) % 400), cpus: 1 + (seed % 2) },
      { id: DEVICE, pages: LOGICAL_PAGES, online: false },
      { id: 2, pages: (seed * 53) % 500, lineNs: seed % 3 === 0 ? 180 : 100 },
    ],
    plugins: [
      everySize,
      cxlCompressDevice({
        logicalPages: LOGICAL_PAGES,
        capacityBytes: CAPACITY_PAGES * 4096,
        lowFraction: 0.65,
        highFraction: 0.5,
        ...device,
      }),
      ...guard,
    ],
    sysctl: { demotion_enabled: true },
  };
}

/** Reclaim on demand, which demotes: otherwise most short runs never come near the device. */
export const DEMOTE: FuzzOperation = {
  name: 'demote',
  always: true,
  weight: 4,
  run({ machine, random }, { task }) {
    machine.pseudoFiles.write('/sys/kernel/mm/numa/demotion_enabled', '1', task.struct);
    const bytes = 4096 * (1 + random.below(60));
    const file = `/sys/devices/system/node/node${DRAM}/reclaim`;
    const rc = machine.pseudoFiles.write(file, String(bytes), task.struct);
    machine.spend();
    return `echo ${bytes} > ${file} = ${rc}`;
  },
};
