import { type Cgroup, nodeList } from '@mm-lab/mm-core';
import type { FuzzOperation } from './operation.js';
import { randomMask } from './policy-operations.js';
import type { FuzzWorld } from './world.js';

const GROUPS = ['a', 'b', 'a/c'] as const;
/** Files that set a limit, and limits in pages. */
const LIMITS = [
  'memory.max',
  'memory.high',
  'memory.low',
  'memory.min',
  'memory.swap.max',
] as const;
const PAGES = [0, 16, 64, 200, 500] as const;

/** A group that there is from now on, and whose children have both controllers. */
function makeGroup(world: FuzzWorld): Cgroup | null {
  const { cgroups } = world.machine;
  const path = world.random.pick(GROUPS);
  const parts = path.split('/');
  if (parts.length > 1) {
    cgroups.mkdir('a');
    const parent = cgroups.find('a');
    if (parent !== null) cgroups.writeSubtreeControl(parent, '+cpuset +memory');
  }
  cgroups.mkdir(path);
  return cgroups.find(path);
}

const attach: FuzzOperation = {
  name: 'attach',
  weight: 0.4,
  run(world, { task }) {
    const { cgroups } = world.machine;
    const group = world.random.chance(0.4) ? cgroups.root : makeGroup(world);
    if (group === null) return 'no group';
    const rc = cgroups.attach(task.struct, group);
    world.machine.spend();
    return `attach(${group.path}) = ${rc}`;
  },
};

const writeMems: FuzzOperation = {
  name: 'writeMems',
  weight: 0.3,
  run(world) {
    const group = makeGroup(world);
    if (group === null || !group.has('cpuset')) return 'no group with a cpuset';
    const mems = nodeList(new Set(randomMask(world).nodes));
    const rc = world.machine.cpusets.writeMems(group, mems);
    world.machine.spend();
    return `writeMems(${group.path}, ${mems}) = ${rc}`;
  },
};

const writeLimit: FuzzOperation = {
  name: 'writeLimit',
  weight: 0.4,
  run(world, model) {
    const group = makeGroup(world);
    if (group === null) return 'no group';
    const file = world.random.pick(LIMITS);
    const pages = world.random.pick(PAGES);
    const text = world.random.chance(0.3) ? 'max' : String(pages * 4096);
    const rc = writeFile(world, model.task.struct, `${group.path}/${file}`, text);
    return `echo ${text} > ${group.path}/${file} = ${rc}`;
  },
};

const reclaim: FuzzOperation = {
  name: 'reclaim',
  weight: 0.4,
  run(world, model) {
    const group = makeGroup(world);
    if (group === null) return 'no group';
    const text = String(4096 * (1 + world.random.below(128)));
    const rc = writeFile(world, model.task.struct, `${group.path}/memory.reclaim`, text);
    return `echo ${text} > ${group.path}/memory.reclaim = ${rc}`;
  },
};

const rmdir: FuzzOperation = {
  name: 'rmdir',
  weight: 0.3,
  run(world) {
    const path = world.random.pick(GROUPS);
    const rc = world.machine.cgroups.rmdir(path);
    return `rmdir(${path}) = ${rc}`;
  },
};

function writeFile(
  world: FuzzWorld,
  task: Parameters<FuzzWorld['machine']['pseudoFiles']['write']>[2],
  path: string,
  text: string,
): number {
  const rc = world.machine.pseudoFiles.write(`/sys/fs/cgroup/${path}`, text, task);
  world.machine.spend();
  return rc;
}

/** Control groups: who may have how much memory, and on which nodes. */
export const GROUP_OPERATIONS: readonly FuzzOperation[] = [
  attach,
  writeMems,
  writeLimit,
  reclaim,
  rmdir,
];
