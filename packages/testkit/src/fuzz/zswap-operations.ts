import { CGROUP_FOLDER, Prng, type ZswapParams } from '@mm-lab/mm-core';
import type { FuzzOperation } from './operation.js';

const PARAMETERS = '/sys/module/zswap/parameters';
/** Keeps the rest of a seed's machine as it is without zswap. */
const SEED_OF_ITS_OWN = 0x25a9;
const ON_SHARE = 0.5;

/** What is written to the parameters of a running machine. */
const WRITES: readonly (readonly [name: string, values: readonly string[]])[] = [
  ['enabled', ['0', '1', '1', '1']],
  ['compressor', ['lz4', 'zstd', 'lzo-rle']],
  ['max_pool_percent', ['0', '1', '5', '20', '100']],
  ['accept_threshold_percent', ['0', '50', '90', '100']],
  ['shrinker_enabled', ['0', '1']],
];
const GROUP_WRITES: readonly (readonly [file: string, values: readonly string[]])[] = [
  ['memory.zswap.max', ['0', '8192', '65536', 'max']],
  ['memory.zswap.writeback', ['0', '1', '1']],
];

/** Half of the machines have zswap, with parameters that make it fill and write back. */
export function randomZswap(seed: number): Partial<ZswapParams> {
  const random = new Prng(seed ^ SEED_OF_ITS_OWN);
  if (!random.chance(ON_SHARE)) return {};
  return {
    enabled: true,
    max_pool_percent: random.pick([1, 3, 20, 60]),
    accept_threshold_percent: random.pick([0, 50, 90, 100]),
    shrinker_enabled: random.chance(0.5),
  };
}

const tuneZswap: FuzzOperation = {
  name: 'zswap',
  weight: 0.5,
  run({ machine, random }, { task }) {
    const [name, values] = random.pick(WRITES);
    const text = random.pick(values);
    const rc = machine.pseudoFiles.write(`${PARAMETERS}/${name}`, text, task.struct);
    machine.spend();
    return `echo ${text} > ${name} = ${rc}`;
  },
};

const limitZswap: FuzzOperation = {
  name: 'zswapGroup',
  weight: 0.5,
  run({ machine, random }, { task }) {
    const group = machine.memcgs.ofMm(task.mm).group;
    if (group.parent === null) return 'zswap of no group';
    const [name, values] = random.pick(GROUP_WRITES);
    const text = random.pick(values);
    const rc = machine.pseudoFiles.write(`${CGROUP_FOLDER}/${group.path}/${name}`, text);
    machine.spend();
    return `echo ${text} > ${group.path}/${name} = ${rc}`;
  },
};

/** What an administrator does to zswap. */
export const ZSWAP_OPERATIONS: readonly FuzzOperation[] = [tuneZswap, limitZswap];
