import {
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_F_NUMA_BALANCING,
  MPOL_F_RELATIVE_NODES,
  MPOL_F_STATIC_NODES,
  MPOL_INTERLEAVE,
  MPOL_LOCAL,
  MPOL_MF_MOVE,
  MPOL_MF_MOVE_ALL,
  MPOL_MF_STRICT,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
  PAGE_SIZE,
} from '@mm-lab/mm-core';
import { randomRange } from './address-space-operations.js';
import type { FuzzOperation } from './operation.js';
import type { FuzzWorld } from './world.js';

const MODES = [
  MPOL_DEFAULT,
  MPOL_LOCAL,
  MPOL_PREFERRED,
  MPOL_BIND,
  MPOL_BIND | MPOL_F_NUMA_BALANCING,
  MPOL_INTERLEAVE,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
  MPOL_INTERLEAVE | MPOL_F_STATIC_NODES,
  MPOL_PREFERRED | MPOL_F_RELATIVE_NODES,
] as const;
const MOVES = [0, MPOL_MF_STRICT, MPOL_MF_MOVE, MPOL_MF_MOVE_ALL, MPOL_MF_MOVE | MPOL_MF_STRICT];
const MAXNODE = 129;

/** Some of the machine's nodes, as a user gives them. */
export function randomMask(world: FuzzWorld): { nodes: number[]; maxnode: number } {
  const nodes = [...world.machine.nodes.all()].map(({ nid }) => nid);
  return { nodes: nodes.filter(() => world.random.chance(0.5)), maxnode: MAXNODE };
}

const setMempolicy: FuzzOperation = {
  name: 'setMempolicy',
  weight: 0.5,
  run(world, { task }) {
    const mode = world.random.pick(MODES);
    const mask = randomMask(world);
    const rc = world.machine.sys.setMempolicy.setMempolicy(task.struct, mode, mask);
    return `setMempolicy(${mode}, ${mask.nodes.join()}) = ${rc}`;
  },
};

const mbind: FuzzOperation = {
  name: 'mbind',
  run(world, model) {
    const { machine, random } = world;
    const { start, count } = randomRange(world, model, 256);
    model.unmerged = true;
    const rc = world.call(model, (struct) =>
      machine.sys.mbind.mbind(struct, {
        start: model.vpn(start) * PAGE_SIZE,
        len: count * PAGE_SIZE,
        mode: random.pick(MODES),
        mask: randomMask(world),
        flags: random.pick(MOVES),
      }),
    );
    return `mbind(${start}, ${count}) = ${rc}`;
  },
};

const homeNode: FuzzOperation = {
  name: 'homeNode',
  weight: 0.3,
  run(world, model) {
    const { start, count } = randomRange(world, model, 256);
    const nid = world.random.below(4);
    const range = { start: model.vpn(start) * PAGE_SIZE, len: count * PAGE_SIZE };
    model.unmerged = true;
    const { setMempolicyHomeNode } = world.machine.sys;
    const rc = world.call(model, (struct) =>
      setMempolicyHomeNode.setMempolicyHomeNode(struct, { ...range, homeNode: nid, flags: 0 }),
    );
    return `homeNode(${start}, ${count}, ${nid}) = ${rc}`;
  },
};

const migratePages: FuzzOperation = {
  name: 'migratePages',
  weight: 0.5,
  run(world, model) {
    const args = { pid: 0, from: randomMask(world), to: randomMask(world) };
    const { migratePages: call } = world.machine.sys;
    const rc = world.call(model, (struct) => call.migratePages(struct, args));
    return `migratePages(${args.from.nodes.join()}, ${args.to.nodes.join()}) = ${rc}`;
  },
};

/** NUMA policies and what moves pages by them. */
export const POLICY_OPERATIONS: readonly FuzzOperation[] = [
  setMempolicy,
  mbind,
  homeNode,
  migratePages,
];
