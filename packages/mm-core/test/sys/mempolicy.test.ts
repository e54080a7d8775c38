import { expect, test } from 'vitest';
import type { NodeConfig, Task } from '../../src/index.js';
import {
  type Machine,
  MPOL_BIND,
  MPOL_F_ADDR,
  MPOL_F_NODE,
  MPOL_INTERLEAVE,
  MPOL_MF_MOVE,
  MPOL_MF_STRICT,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
} from '../../src/index.js';
import { policyText } from '../../src/mem/policy.js';
import { machineOf } from '../machine-of.js';

const NODES: readonly NodeConfig[] = [
  { id: 0, pages: 2048, cpus: 1 },
  { id: 1, pages: 2048, cpus: 1 },
  { id: 2, pages: 2048 },
  { id: 3, pages: 2048 },
];
const DISTANCES = [
  [10, 21, 17, 28],
  [21, 10, 28, 17],
  [17, 28, 10, 28],
  [28, 17, 28, 10],
];
/** A page number that every small set of nodes divides. */
const BASE = 5 * 7 * 9 * 64 * 16;

function fourNodes(): { machine: Machine; task: Task } {
  const machine = machineOf({ nodes: NODES, distances: DISTANCES });
  return { machine, task: machine.createTask('t', 0) };
}

function mask(nodes: readonly number[] | null): {
  nodes: readonly number[] | null;
  maxnode: number;
} {
  return { nodes, maxnode: nodes === null ? 0 : 129 };
}

function setPolicy(machine: Machine, task: Task, mode: number, nodes: readonly number[]): number {
  return machine.sys.setMempolicy.setMempolicy(task.struct, mode, mask(nodes));
}

function mbind(machine: Machine, task: Task, mode: number, nodes: number[], flags = 0): number {
  machine.work.runAs(task.struct);
  const args = { start: BASE * 4096, len: 8 * 4096, mode, mask: mask(nodes), flags };
  return machine.sys.mbind.mbind(task.struct, args);
}

function mapped(task: Task, pages = 8): number[] {
  task.mmap(BASE, pages);
  return Array.from({ length: pages }, (_, at) => BASE + at);
}

test('pages go where the policy of their task says', () => {
  const placed = (mode: number, nodes: number[]): number[] => {
    const { machine, task } = fourNodes();
    machine.pseudoFiles.write('/sys/kernel/mm/mempolicy/weighted_interleave/node0', '3');
    setPolicy(machine, task, mode, nodes);
    const vpns = mapped(task);
    for (const vpn of vpns) task.write(vpn);
    machine.verify();
    return task.where(vpns);
  };
  expect([
    placed(MPOL_BIND, [1, 2, 3]),
    placed(MPOL_PREFERRED_MANY, [1, 3]),
    placed(MPOL_INTERLEAVE, [0, 2, 3]),
    placed(MPOL_WEIGHTED_INTERLEAVE, [0, 2]),
  ]).toEqual([
    [2, 2, 2, 2, 2, 2, 2, 2],
    [1, 1, 1, 1, 1, 1, 1, 1],
    [0, 2, 3, 0, 2, 3, 0, 2],
    [0, 0, 0, 2, 0, 0, 0, 2],
  ]);
});

test('mbind refuses misplaced pages under STRICT, and moves them under MOVE', () => {
  const { machine, task } = fourNodes();
  const vpns = mapped(task);
  for (const vpn of vpns.slice(0, 6)) task.write(vpn);
  const policy = (): string => policyText(task.mm.find(BASE)?.policy ?? null);
  const steps = [
    [mbind(machine, task, MPOL_BIND, [2], MPOL_MF_STRICT), policy(), task.where(vpns)],
    [mbind(machine, task, MPOL_INTERLEAVE, [1, 2], MPOL_MF_MOVE), policy(), task.where(vpns)],
    [mbind(machine, task, MPOL_BIND, [1, 3], MPOL_MF_MOVE | MPOL_MF_STRICT), policy()],
    [task.where(vpns)],
  ];
  expect(steps).toEqual([
    [-5, 'default', [0, 0, 0, 0, 0, 0, -2, -2]],
    [0, 'interleave:1-2', [1, 2, 1, 2, 1, 2, -2, -2]],
    [0, 'bind:1,3'],
    [[1, 1, 1, 1, 1, 1, -2, -2]],
  ]);
  machine.verify();
});

test('a cpuset confines its tasks, rebinds their policies and moves their memory', () => {
  const { machine, task } = fourNodes();
  const file = '/sys/fs/cgroup/g/cpuset.mems';
  machine.cgroups.mkdir('g');
  const write = (text: string): number => machine.pseudoFiles.write(file, text);
  const errors = [write('9'), write('x'), write('0-1')];
  const group = machine.cgroups.find('g');
  if (group === null) throw new Error('the group was made');
  machine.cgroups.attach(task.struct, group);
  const vpns = mapped(task);
  setPolicy(machine, task, MPOL_INTERLEAVE, [0, 1, 2]);
  for (const vpn of vpns.slice(0, 4)) task.write(vpn);
  const before = task.where(vpns);
  write('1-3');
  for (const vpn of vpns) task.write(vpn);
  expect({
    errors,
    before,
    policy: policyText(task.struct.policy),
    after: task.where(vpns),
    toNode0: machine.sys.movePages.movePages(task.struct, {
      pid: 0,
      count: 1,
      pages: [BASE * 4096],
      nodes: [0],
      status: 'good',
      flags: 0,
    }).rc,
  }).toMatchInlineSnapshot(`
    {
      "after": [
        1,
        1,
        1,
        1,
        1,
        2,
        1,
        2,
      ],
      "before": [
        0,
        1,
        0,
        1,
        -2,
        -2,
        -2,
        -2,
      ],
      "errors": [
        -22,
        -22,
        0,
      ],
      "policy": "interleave:1-2",
      "toNode0": -13,
    }
  `);
  machine.verify();
});

test('the cursor of an interleaving task counts page tables, not pages', () => {
  const { machine, task } = fourNodes();
  setPolicy(machine, task, MPOL_INTERLEAVE, [1, 2, 3]);
  const next = (): number => {
    const args = {
      policy: 'good',
      nodemask: null,
      maxnode: 0,
      addr: 0,
      flags: MPOL_F_NODE,
    } as const;
    return machine.sys.getMempolicy.getMempolicy(task.struct, args).value;
  };
  const vpns = mapped(task, 600);
  const seen = [next()];
  for (const vpn of [vpns[0]!, vpns[1]!, vpns[599]!]) {
    task.write(vpn);
    seen.push(next());
  }
  expect(seen).toEqual([1, 1, 1, 2]);
});

test('asking for the node of a page faults it in for reading', () => {
  const { machine, task } = fourNodes();
  const vpns = mapped(task, 2);
  const flags = MPOL_F_NODE | MPOL_F_ADDR;
  const args = { policy: 'good', nodemask: null, maxnode: 0, addr: BASE * 4096, flags } as const;
  machine.work.runAs(task.struct);
  expect([
    machine.sys.getMempolicy.getMempolicy(task.struct, args).value,
    task.where(vpns),
  ]).toEqual([0, [-14, -2]]);
});
