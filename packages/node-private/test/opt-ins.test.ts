import {
  __GFP_RETRY_MAYFAIL,
  CGROUP_FOLDER,
  EBUSY,
  EINVAL,
  ENODEV,
  ENOENT,
  ENOMEM,
  GFP_HIGHUSER_MOVABLE,
  MPOL_BIND,
  PTE_WRITE,
  type Task,
  zramSwap,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import {
  __GFP_PRIVATE,
  NP_FLAG_FACTS,
  NP_OPS_COMPACTION,
  NP_OPS_DEMOTION,
  NP_OPS_LONGTERM_PIN,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  NP_OPS_NUMA_BALANCING,
  NP_OPS_OOM_ELIGIBLE,
  NP_OPS_PROTECT_WRITE,
  NP_OPS_RECLAIM,
} from '../src/index.js';
import { machineOf, type PrivateMachine } from './support.js';

const C = 2;
const PAGES = 16;

interface World extends PrivateMachine {
  /** Its pages lie on the node. */
  readonly task: Task;
}

/** A flag, what it needs beside it, and what a program sees of it. */
interface OptIn {
  readonly flag: number;
  readonly beside: number;
  readonly story: (world: World) => unknown;
  readonly without: unknown;
  readonly withIt: unknown;
}

const vpns = (pages: number): number[] => Array.from({ length: pages }, (_, vpn) => vpn);

function served(flags: number): World {
  const made = machineOf(1, {}, [zramSwap({ pages: 2048, codec: 'lz4' })]);
  const { machine, nodes, hotplug } = made;
  hotplug.add_private_memory_driver_managed(C, { name: 'c' }, null);
  const moving = made.moving();
  const task = machine.createTask('t');
  task.mmap(0, PAGES);
  for (const vpn of vpns(PAGES)) task.write(vpn);
  machine.folios.lruAddDrainAll();
  nodes.node_private_set_ops(C, { flags: flags | NP_OPS_MIGRATION, ...moving });
  task.movePages(vpns(PAGES), C);
  nodes.node_private_set_ops(C, { flags, ...moving });
  machine.folios.lruAddDrainAll();
  machine.tiers.refresh();
  return { ...made, task };
}

/** Pages of the task that are on the node, as its page table says. */
function there({ machine, task }: World): number {
  return vpns(PAGES).filter((vpn) => {
    const slot = machine.ptes.find(task.mm.id, vpn);
    return slot >= 0 && machine.nodes.nidOf(machine.ptes.value[slot] ?? 0) === C;
  }).length;
}

function bind({ machine, task }: World): number {
  machine.work.runAs(task.struct);
  const mask = { nodes: [C], maxnode: 65 };
  const range = { start: 0, len: PAGES * 4096 };
  return machine.sys.mbind.mbind(task.struct, { ...range, mode: MPOL_BIND, mask, flags: 0 });
}

const OPT_INS: readonly OptIn[] = [
  {
    flag: NP_OPS_MIGRATION,
    beside: 0,
    story: (world) => {
      const { task, hotplug } = world;
      const told = [task.where([0]), task.movePages([0], 0).status];
      return [...told, hotplug.offline_and_remove_private_memory(C), world.machine.usedPages(C)];
    },
    without: [[-ENOENT], [-ENOENT], -EBUSY, PAGES],
    withIt: [[C], [0], 0, 0],
  },
  {
    flag: NP_OPS_MEMPOLICY,
    beside: NP_OPS_MIGRATION,
    story: (world) => {
      const { machine, task } = world;
      const rc = bind(world);
      task.munmap(0, PAGES / 2);
      task.mmap(0, PAGES / 2);
      bind(world);
      task.write(0);
      return [rc, task.where([0]), machine.pseudoFiles.read('/sys/devices/system/node/has_memory')];
    },
    without: [-EINVAL, [0], '0-1'],
    withIt: [0, [C], '0-2'],
  },
  {
    flag: NP_OPS_DEMOTION,
    beside: NP_OPS_MIGRATION,
    story: ({ machine }) => [
      machine.tiers.nextDemotionNode(1),
      machine.tiers.lowerTierMask(1).has(C),
    ],
    without: [-1, false],
    withIt: [C, true],
  },
  {
    flag: NP_OPS_PROTECT_WRITE,
    beside: NP_OPS_MIGRATION,
    story: ({ machine, task }) => {
      const slot = machine.ptes.find(task.mm.id, 0);
      return (machine.ptes.bits[slot] ?? 0) & PTE_WRITE;
    },
    without: PTE_WRITE,
    withIt: 0,
  },
  {
    flag: NP_OPS_RECLAIM,
    beside: 0,
    story: ({ machine }) => {
      const held: number[] = [];
      machine.folios.addHolder(() => held);
      const gfp = GFP_HIGHUSER_MOVABLE | __GFP_PRIVATE | __GFP_RETRY_MAYFAIL;
      for (let pfn = 0; pfn >= 0; ) {
        pfn = machine.pageAlloc.alloc({ gfp, order: 0, nid: C, nodemask: null });
        if (pfn >= 0) held.push(pfn);
      }
      const out = machine.vmstat().pswpout > 0;
      for (const pfn of held.splice(0)) machine.folios.put(pfn);
      return out;
    },
    without: false,
    withIt: true,
  },
  {
    flag: NP_OPS_NUMA_BALANCING,
    beside: NP_OPS_MIGRATION,
    story: ({ machine, task }) => {
      machine.pseudoFiles.write('/proc/sys/kernel/numa_balancing', '3');
      return machine.numaScan.scanAll(task.struct);
    },
    without: 0,
    withIt: PAGES,
  },
  {
    flag: NP_OPS_COMPACTION,
    beside: NP_OPS_MIGRATION,
    story: ({ machine }) => {
      machine.pseudoFiles.write(`/sys/devices/system/node/node${C}/compact`, '1');
      return machine.vmstat().compact_migrate_scanned > 0;
    },
    without: false,
    withIt: true,
  },
  {
    flag: NP_OPS_LONGTERM_PIN,
    beside: 0,
    story: (world) => {
      const pinned = world.task.pinLongterm(0);
      if (pinned >= 0) world.task.unpin(pinned);
      return [Math.min(pinned, 0), there(world)];
    },
    without: [-ENOMEM, PAGES],
    withIt: [0, PAGES],
  },
];

test('every flag has its story', () => {
  expect(OPT_INS.map(({ flag }) => flag)).toEqual(NP_FLAG_FACTS.map(({ flag }) => flag));
});

const named = OPT_INS.map(
  (optIn) => [NP_FLAG_FACTS.find(({ flag }) => flag === optIn.flag)?.name ?? '', optIn] as const,
);

test.for(named)('%s: what happens with it and without', ([, optIn]) => {
  const { flag, beside, story, without, withIt } = optIn;
  const told = [beside, beside | flag].map((flags) => {
    const world = served(flags);
    const answer = story(world);
    world.machine.verify();
    return answer;
  });
  expect(told).toEqual([without, withIt]);
});

test('NP_OPS_OOM_ELIGIBLE: both bits, not one, count the node before a kill', () => {
  const counted = [0, NP_OPS_RECLAIM, NP_OPS_DEMOTION, NP_OPS_OOM_ELIGIBLE].map((flags) =>
    served(flags).machine.managed.node_oom_eligible(0, C),
  );
  expect(counted).toEqual([false, false, false, true]);
});

test('nothing is opted in to by a callback alone, but by migrate_to to be moved to', () => {
  const world = served(0);
  const { machine } = world;
  const other = machine.createTask('other');
  other.mmap(0, 1);
  other.write(0);
  machine.folios.lruAddDrainAll();
  expect(other.movePages([0], C).rc).toBe(0);
  const ops = world.nodes.opsOf(C);
  if (ops !== null) world.nodes.node_private_clear_ops(C, ops);
  other.mmap(8, 1);
  other.write(8);
  machine.folios.lruAddDrainAll();
  expect(other.movePages([8], C).rc).toBe(-ENODEV);
  expect(machine.pseudoFiles.read(`${CGROUP_FOLDER}/cpuset.mems.effective`)).toBe('0-2');
});
