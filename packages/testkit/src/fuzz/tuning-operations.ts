import type { TaskStruct } from '@mm-lab/mm-core';
import type { FuzzOperation } from './operation.js';
import type { FuzzWorld } from './world.js';

const THP = '/sys/kernel/mm/transparent_hugepage';
const KSM = '/sys/kernel/mm/ksm';

/** Files that tune a running machine, and what is written to them. */
const WRITES: Readonly<Record<string, readonly string[]>> = {
  [`${THP}/enabled`]: ['always', 'madvise', 'never'],
  [`${THP}/defrag`]: ['always', 'defer', 'madvise', 'never'],
  [`${THP}/hugepages-64kB/enabled`]: ['always', 'inherit', 'madvise', 'never'],
  [`${THP}/hugepages-64kB/shmem_enabled`]: ['always', 'inherit', 'advise', 'never'],
  [`${THP}/shmem_enabled`]: ['always', 'within_size', 'advise', 'never', 'deny', 'force'],
  [`${THP}/khugepaged/defrag`]: ['0', '1'],
  [`${THP}/khugepaged/pages_to_scan`]: ['1', '512', '4096'],
  [`${THP}/khugepaged/scan_sleep_millisecs`]: ['0', '1', '10000'],
  [`${KSM}/run`]: ['0', '1', '1', '2'],
  [`${KSM}/pages_to_scan`]: ['100', '1000'],
  [`${KSM}/sleep_millisecs`]: ['0', '20'],
  [`${KSM}/use_zero_pages`]: ['0', '1'],
  [`${KSM}/merge_across_nodes`]: ['0', '1'],
  '/sys/kernel/mm/lru_gen/enabled': ['0', '1', '7', 'y', 'n'],
  '/sys/kernel/mm/numa/demotion_enabled': ['0', '1'],
  '/proc/sys/kernel/numa_balancing': ['0', '1', '2', '3'],
  '/proc/sys/vm/compact_memory': ['1'],
  '/proc/sys/vm/drop_caches': ['1', '3'],
  '/proc/sys/vm/nr_hugepages': ['0', '1', '2'],
  '/proc/sys/vm/nr_overcommit_hugepages': ['0', '2'],
  '/proc/sys/vm/page-cluster': ['0', '1', '3', '5'],
  '/sys/kernel/mm/swap/vma_ra_enabled': ['true', 'false'],
  '/proc/sys/vm/swappiness': ['0', '1', '60', '200'],
  '/proc/sys/vm/watermark_scale_factor': ['1', '10', '500'],
  '/proc/self/clear_refs': ['1', '4'],
};
const PATHS = Object.keys(WRITES);

/** Share of the files that are written before the first step. */
const TUNED_SHARE = 0.4;

/** Most machines do not have Linux's defaults: what is off by default would seldom be met. */
export function tuneAtStart(world: FuzzWorld): void {
  const { task } = world.anyModel();
  for (const path of PATHS) {
    if (world.random.chance(TUNED_SHARE)) writeRandom(world, path, task.struct);
  }
}

function writeRandom(world: FuzzWorld, path: string, task: TaskStruct): string {
  const text = world.random.pick(WRITES[path] ?? ['']);
  const rc = world.machine.pseudoFiles.write(path, text, task);
  world.machine.spend();
  return `echo ${text} > ${path} = ${rc}`;
}

const tune: FuzzOperation = {
  name: 'tune',
  run(world, { task }) {
    return writeRandom(world, world.random.pick(PATHS), task.struct);
  },
};

const swapping: FuzzOperation = {
  name: 'swapping',
  weight: 0.5,
  run(world) {
    const { machine } = world;
    const turnsOn = world.random.chance(0.6);
    const rc = turnsOn ? machine.swap.swapon() : machine.swapoff.swapoff();
    machine.spend();
    return `${turnsOn ? 'swapon' : 'swapoff'}() = ${rc}`;
  },
};

/** What an administrator does to a running machine; programs may notice none of it. */
export const TUNING_OPERATIONS: readonly FuzzOperation[] = [tune, swapping];
