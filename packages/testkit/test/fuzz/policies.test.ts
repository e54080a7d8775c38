import {
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_F_STATIC_NODES,
  MPOL_INTERLEAVE,
  MPOL_MF_MOVE,
  MPOL_MF_MOVE_ALL,
  MPOL_MF_STRICT,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
  nodeList,
  PAGE_SIZE,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { type FuzzOperation, type FuzzWorld, fuzzMachine } from '../../src/index.js';

const MODES = [
  MPOL_DEFAULT,
  MPOL_PREFERRED,
  MPOL_INTERLEAVE,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
  MPOL_INTERLEAVE | MPOL_F_STATIC_NODES,
] as const;
const MOVES = [0, MPOL_MF_STRICT, MPOL_MF_MOVE, MPOL_MF_MOVE_ALL, MPOL_MF_MOVE | MPOL_MF_STRICT];
const GROUPS = ['a', 'b', 'a/c'] as const;

function randomMask(world: FuzzWorld): { nodes: number[]; maxnode: number } {
  const nodes = [...world.machine.nodes.all()].map(({ nid }) => nid);
  return { nodes: nodes.filter(() => world.random.chance(0.5)), maxnode: 129 };
}

const setMempolicy: FuzzOperation = {
  name: 'setMempolicy',
  run(world, { task }) {
    const mode = world.random.pick(MODES);
    const mask = randomMask(world);
    const rc = world.machine.sys.setMempolicy.setMempolicy(task.struct, mode, mask);
    return `setMempolicy(${mode}, ${mask.nodes.join()}) = ${rc}`;
  },
};

/** BIND only moves pages: what it binds later faults to might run out of memory for good. */
const mbind: FuzzOperation = {
  name: 'mbind',
  weight: 3,
  run(world, model) {
    const { task } = model;
    const start = model.vpn(world.random.below(900)) * PAGE_SIZE;
    const len = (1 + world.random.below(300)) * PAGE_SIZE;
    const mode = world.random.pick([...MODES, MPOL_BIND]);
    const flags = world.random.pick(MOVES);
    const args = { start, len, mode, mask: randomMask(world), flags };
    world.machine.work.runAs(task.struct);
    const rc = world.machine.sys.mbind.mbind(task.struct, args);
    const undo = { ...args, mode: MPOL_DEFAULT, mask: { nodes: [], maxnode: 0 }, flags: 0 };
    if (mode === MPOL_BIND) world.machine.sys.mbind.mbind(task.struct, undo);
    world.machine.spend();
    return `mbind(${start}, ${len}, ${mode}, ${args.mask.nodes.join()}, ${flags}) = ${rc}`;
  },
};

const migratePages: FuzzOperation = {
  name: 'migratePages',
  run(world, { task }) {
    const args = { pid: 0, from: randomMask(world), to: randomMask(world) };
    world.machine.work.runAs(task.struct);
    const rc = world.machine.sys.migratePages.migratePages(task.struct, args);
    world.machine.spend();
    return `migratePages(${args.from.nodes.join()}, ${args.to.nodes.join()}) = ${rc}`;
  },
};

/** Tasks only ever sit in groups for a moment: a small node would kill them all. */
const cpuset: FuzzOperation = {
  name: 'cpuset',
  run(world, { task }) {
    const { cgroups, cpusets } = world.machine;
    for (const path of GROUPS) cgroups.mkdir(path);
    cgroups.writeSubtreeControl(cgroups.root, '+cpuset');
    const group = cgroups.find(world.random.pick(GROUPS));
    if (group === null) return 'no group';
    const parent = group.parent ?? cgroups.root;
    if (parent !== cgroups.root) cgroups.writeSubtreeControl(parent, '+cpuset');
    const mems = randomMask(world).nodes;
    const attached = cgroups.attach(task.struct, group);
    world.machine.verify();
    const rc = cpusets.writeMems(group, nodeList(new Set(mems)));
    world.machine.verify();
    cgroups.attach(task.struct, cgroups.root);
    world.machine.spend();
    return `cpuset(${group.path}, ${mems.join()}) = ${attached}, ${rc}`;
  },
};

const SEEDS = Array.from({ length: 12 }, (_, at) => at + 1);

test.each(SEEDS)('seed %i: policies, cpusets and migrations lose nothing', (seed) => {
  const operations = [setMempolicy, mbind, migratePages, cpuset];
  const report = fuzzMachine({ seed, steps: 250, operations });
  expect(report.steps).toBe(250);
});
