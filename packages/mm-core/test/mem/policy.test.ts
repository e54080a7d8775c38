import { expect, test } from 'vitest';
import {
  MPOL_BIND,
  MPOL_F_NUMA_BALANCING,
  MPOL_F_RELATIVE_NODES,
  MPOL_F_STATIC_NODES,
  MPOL_INTERLEAVE,
  MPOL_LOCAL,
  MPOL_PREFERRED,
  MPOL_PREFERRED_MANY,
  MPOL_WEIGHTED_INTERLEAVE,
} from '../../src/abi/mempolicy.js';
import { nodeList, nodemask, parseNodeList } from '../../src/mem/nodemask.js';
import {
  createPolicy,
  type Policy,
  parseModeWord,
  policyText,
  rebindPolicy,
  reportedNodes,
} from '../../src/mem/policy.js';

const ALL = nodemask([0, 1, 2, 3]);

/** A policy of a task that may use `allowed`, on a machine of nodes 0 to 3; or the errno. */
function made(word: number, nodes: number[], allowed = ALL): Policy | null | number {
  const parts = parseModeWord(word);
  if (typeof parts === 'number') return parts;
  return createPolicy({ ...parts, nodes: nodemask(nodes), allowed, memory: ALL });
}

/** What became of a policy under a cpuset: its text and what get_mempolicy reports. */
function rebound(word: number, nodes: number[], ...cpusets: number[][]): string[] {
  let policy = made(word, nodes, nodemask(cpusets[0] ?? []));
  if (policy === null || typeof policy === 'number') return ['refused'];
  for (const mems of cpusets.slice(1)) policy = rebindPolicy(policy, nodemask(mems));
  return [policyText(policy), nodeList(reportedNodes(policy))];
}

test('modes, flags and masks that do not go together are refused', () => {
  const words: [number, number[]][] = [
    [7, [0]],
    [MPOL_BIND | MPOL_F_STATIC_NODES | MPOL_F_RELATIVE_NODES, [0]],
    [MPOL_INTERLEAVE | MPOL_F_NUMA_BALANCING, [0]],
    [MPOL_LOCAL, [0]],
    [MPOL_PREFERRED | MPOL_F_STATIC_NODES, []],
    [MPOL_WEIGHTED_INTERLEAVE, []],
    [MPOL_BIND, [9]],
    [0, [0]],
  ];
  expect(words.map(([word, nodes]) => made(word, nodes))).toEqual(words.map(() => -22));
});

test('a policy is fitted to the nodes that are there', () => {
  const text = (word: number, nodes: number[], allowed = ALL): string => {
    const policy = made(word, nodes, allowed);
    return typeof policy === 'number' ? String(policy) : policyText(policy);
  };
  expect([
    text(0, []),
    text(MPOL_PREFERRED, []),
    text(MPOL_PREFERRED, [3, 1]),
    text(MPOL_BIND, [2, 9]),
    text(MPOL_BIND | MPOL_F_RELATIVE_NODES, [5]),
    text(MPOL_INTERLEAVE | MPOL_F_RELATIVE_NODES, [4, 6], nodemask([1, 3])),
    text(MPOL_PREFERRED_MANY | MPOL_F_NUMA_BALANCING | MPOL_F_STATIC_NODES, [0, 1, 2]),
  ]).toMatchInlineSnapshot(`
    [
      "default",
      "local",
      "prefer:1",
      "bind:2",
      "bind=relative:1",
      "interleave=relative:1",
      "prefer (many)=static|balancing:0-2",
    ]
  `);
});

test('a cpuset change remaps by place, keeps a static mask, and leaves what is preferred', () => {
  expect([
    rebound(MPOL_BIND, [1], [0, 1], [2, 3], [0, 1, 2, 3]),
    rebound(MPOL_INTERLEAVE, [0, 1], [0, 1], [1, 2, 3]),
    rebound(MPOL_INTERLEAVE, [0, 1, 2], [0, 1, 2], [0, 1], [0, 1, 2]),
    rebound(MPOL_INTERLEAVE | MPOL_F_STATIC_NODES, [0, 1], [0, 1], [1, 2, 3]),
    rebound(MPOL_BIND | MPOL_F_STATIC_NODES, [1], [0, 1], [2, 3]),
    rebound(MPOL_BIND | MPOL_F_RELATIVE_NODES, [1], [0, 1], [2, 3]),
    rebound(MPOL_PREFERRED, [1], [0, 1], [2, 3]),
    rebound(MPOL_PREFERRED | MPOL_F_STATIC_NODES, [1], [0, 1], [2, 3]),
    rebound(MPOL_PREFERRED_MANY, [0, 1], [0, 1], [2, 3]),
  ]).toMatchInlineSnapshot(`
    [
      [
        "bind:1",
        "1",
      ],
      [
        "interleave:1-2",
        "1-2",
      ],
      [
        "interleave:0-1",
        "0-1",
      ],
      [
        "interleave=static:1",
        "0-1",
      ],
      [
        "bind=static:2-3",
        "1",
      ],
      [
        "bind=relative:3",
        "1",
      ],
      [
        "prefer:1",
        "1",
      ],
      [
        "prefer=static:1",
        "2-3",
      ],
      [
        "prefer (many):0-1",
        "0-1",
      ],
    ]
  `);
});

test('lists of nodes are read as the kernel reads them', () => {
  const read = (text: string): string => {
    const mask = parseNodeList(text);
    return typeof mask === 'number' ? String(mask) : nodeList(mask);
  };
  const texts = ['1,3', ' 0-2\n', '', '0-7:1/3', '2-1', 'x', '1-', '1024', '4294967296', '0-3:2/1'];
  expect(texts.map(read)).toMatchInlineSnapshot(`
    [
      "1,3",
      "0-2",
      "",
      "0,3,6",
      "-22",
      "-22",
      "-22",
      "-34",
      "-75",
      "-22",
    ]
  `);
});
