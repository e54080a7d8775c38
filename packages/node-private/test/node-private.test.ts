import { __GFP_THISNODE, EBUSY, EINVAL, ENODEV, GFP_HIGHUSER_MOVABLE } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import {
  __GFP_PRIVATE,
  flagMistake,
  GFP_PRIVATE,
  type NodePrivateOps,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  NP_OPS_NUMA_BALANCING,
  NP_OPS_PROTECT_WRITE,
} from '../src/index.js';
import { machineOf } from './support.js';

const np = { name: 'a' };
const other = { name: 'b' };
const moving: Omit<NodePrivateOps, 'flags'> = {
  migrate_to: () => 0,
  folio_migrate: () => undefined,
};

test('registering answers as the posted code does', () => {
  const { nodes, hotplug } = machineOf();
  const answers = {
    'no such node': nodes.node_private_register(9, np),
    'ordinary memory': nodes.node_private_register(1, np),
    first: nodes.node_private_register(2, np),
    again: nodes.node_private_register(2, np),
    'somebody else': nodes.node_private_register(2, other),
    'unregister what is not there': nodes.node_private_unregister(3),
    unregister: nodes.node_private_unregister(2),
    'then somebody else': hotplug.add_private_memory_driver_managed(2, other, null),
    'unregister while online': nodes.node_private_unregister(2),
  };
  expect(answers).toEqual({
    'no such node': -EINVAL,
    'ordinary memory': -EBUSY,
    first: 0,
    again: 0,
    'somebody else': -EBUSY,
    'unregister what is not there': 0,
    unregister: 0,
    'then somebody else': 0,
    'unregister while online': -EBUSY,
  });
});

test('ops can be set on a registered node, overwritten, and cleared only by their owner', () => {
  const { nodes } = machineOf();
  const first: NodePrivateOps = { flags: 0 };
  const second: NodePrivateOps = { flags: NP_OPS_MIGRATION, ...moving };
  expect(nodes.node_private_set_ops(2, first)).toBe(-ENODEV);
  nodes.node_private_register(2, np);
  expect(nodes.node_private_set_ops(9, first)).toBe(-EINVAL);
  expect(nodes.node_private_set_ops(2, first)).toBe(0);
  expect(nodes.node_private_set_ops(2, second)).toBe(0);
  expect(nodes.node_private_clear_ops(2, first)).toBe(-EINVAL);
  expect(nodes.node_private_clear_ops(2, second)).toBe(0);
  expect(nodes.node_private_flags(2)).toBe(0);
});

test('each flag is refused without what it obliges, and the mistake is named', () => {
  const { nodes } = machineOf();
  nodes.node_private_register(2, np);
  const cases: NodePrivateOps[] = [
    { flags: NP_OPS_MIGRATION },
    { flags: NP_OPS_MIGRATION, migrate_to: () => 0 },
    { flags: NP_OPS_MEMPOLICY },
    { flags: NP_OPS_MIGRATION | NP_OPS_MEMPOLICY | NP_OPS_PROTECT_WRITE, ...moving },
    { flags: NP_OPS_NUMA_BALANCING },
    { flags: NP_OPS_PROTECT_WRITE },
    { flags: 0x100 },
  ];
  const answers = cases.map((ops) => [nodes.node_private_set_ops(2, ops), flagMistake(ops)]);
  expect(answers).toEqual([
    [-EINVAL, 'NP_OPS_MIGRATION needs the callback migrate_to'],
    [-EINVAL, 'NP_OPS_MIGRATION needs the callback folio_migrate'],
    [-EINVAL, 'NP_OPS_MEMPOLICY needs NP_OPS_MIGRATION'],
    [-EINVAL, 'NP_OPS_MEMPOLICY and NP_OPS_PROTECT_WRITE exclude each other'],
    [-EINVAL, 'NP_OPS_NUMA_BALANCING needs NP_OPS_MIGRATION'],
    [0, null],
    [0, null],
  ]);
});

test('the author’s table of who may land where holds', () => {
  const { machine, hotplug } = machineOf();
  hotplug.add_private_memory_driver_managed(2, np, null);
  hotplug.add_private_memory_driver_managed(3, other, null);
  const plain = GFP_HIGHUSER_MOVABLE;
  const landing = (gfp: number, mask: number[] | null): number[] => {
    const taken: number[] = [];
    const seen = new Set<number>();
    const nodemask = mask === null ? null : new Set(mask);
    for (;;) {
      const pfn = machine.zoneAlloc.getPageFromFreelist(
        { gfp, order: 0, nid: 2, nodemask },
        'none',
      );
      if (pfn < 0) break;
      taken.push(pfn);
      seen.add(machine.nodes.nidOf(pfn));
    }
    for (const pfn of taken) machine.folios.put(pfn);
    return [...seen].sort();
  };
  expect({
    'private, no mask': landing(plain | __GFP_PRIVATE, null),
    'private, {C,D}': landing(plain | __GFP_PRIVATE, [2, 3]),
    GFP_PRIVATE: landing(plain | GFP_PRIVATE, null),
    neither: landing(plain, null),
    'neither, THISNODE': landing(plain | __GFP_THISNODE, null),
  }).toMatchInlineSnapshot(`
    {
      "GFP_PRIVATE": [
        2,
      ],
      "neither": [
        0,
        1,
      ],
      "neither, THISNODE": [],
      "private, no mask": [
        0,
        1,
        2,
      ],
      "private, {C,D}": [
        2,
      ],
    }
  `);
  machine.verify();
});

test('a node without ops takes no page by move_pages and tells nobody where its pages are', () => {
  const { machine, hotplug } = machineOf();
  hotplug.add_private_memory_driver_managed(2, np, null);
  const task = machine.createTask('t');
  task.mmap(0, 4);
  for (let vpn = 0; vpn < 4; vpn++) task.write(vpn);
  expect(task.movePages([0, 1], 2)).toEqual({ rc: -ENODEV, status: [null, null] });
  expect(task.where([0, 1])).toEqual([0, 0]);
  expect(machine.usedPages(2)).toBe(0);
  machine.verify();
});
