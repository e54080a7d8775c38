import {
  CGROUP_FOLDER,
  ENODEV,
  ENOSPC,
  KswapdToken,
  MAP_PRIVATE,
  type Machine,
  MPOL_BIND,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  zramSwap,
} from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import {
  GFP_PRIVATE,
  type Mends,
  type NodePrivateOps,
  NP_OPS_DEMOTION,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  NP_OPS_RECLAIM,
} from '../src/index.js';
import { machineOf, type PrivateMachine, type ToldBoth, toldBoth } from './support.js';

const [C, D] = [2, 3];
const PAGES = 16;
const NODES = '/sys/devices/system/node';

interface Served extends PrivateMachine {
  readonly ops: NodePrivateOps;
  /** Nodes to which nothing is moved. */
  readonly refusing: Set<number>;
}

/** Nodes C and D with the same flags. */
function served(mends: Mends, flags: number): Served {
  const made = machineOf(1, mends, [zramSwap({ pages: 4096, codec: 'lz4' })]);
  const moving = made.moving();
  const refusing = new Set<number>();
  const migrate_to: typeof moving.migrate_to = (...request) =>
    refusing.has(request[1]) ? -ENOSPC : moving.migrate_to(...request);
  const ops = { flags, ...moving, migrate_to };
  for (const nid of [C, D]) {
    made.hotplug.add_private_memory_driver_managed(nid, { name: `node ${nid}` }, null);
    made.nodes.node_private_set_ops(nid, ops);
  }
  made.machine.tiers.refresh();
  return { ...made, ops, refusing };
}

/** The same story as v4 tells it and mended. */
function both<T>(
  mend: keyof Mends,
  story: (made: Served) => T,
  flags = NP_OPS_MIGRATION,
): ToldBoth<T> {
  return toldBoth(mend, (mends) => served(mends, flags), story);
}

/** A task of the group g with its pages in DRAM. */
function grouped(machine: Machine, pages: number): ReturnType<Machine['createTask']> {
  machine.pseudoFiles.write(`${CGROUP_FOLDER}/cgroup.subtree_control`, '+memory');
  machine.cgroups.mkdir('g');
  const task = machine.createTask('t');
  machine.pseudoFiles.write(`${CGROUP_FOLDER}/g/cgroup.procs`, `${task.struct.pid}`);
  task.mmap(0, pages);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  machine.folios.lruAddDrainAll();
  return task;
}

const vpns = (pages: number): number[] => Array.from({ length: pages }, (_, vpn) => vpn);

/** The line of a file of the group that begins with a word. */
function lineOf(machine: Machine, file: string, word: string): string {
  const text = String(machine.pseudoFiles.read(`${CGROUP_FOLDER}/g/${file}`));
  return text.split('\n').find((line) => line.startsWith(`${word} `)) ?? '';
}

test('shmem: a load from a private mapping of a memfd, bound to the node, kills too', () => {
  const told = both(
    'shmem',
    ({ machine }) => {
      const task = machine.createTask('t');
      const { openFiles, mmap, mbind } = machine.sys;
      const file = openFiles.memfdCreate('f');
      openFiles.ftruncate(file, PAGES * PAGE_SIZE);
      const length = PAGES * PAGE_SIZE;
      const prot = PROT_READ | PROT_WRITE;
      const addr = mmap.mmap(task.struct, { addr: 0, length, prot, flags: MAP_PRIVATE, file });
      machine.work.runAs(task.struct);
      const mask = { nodes: [C], maxnode: 65 };
      mbind.mbind(task.struct, { start: addr, len: length, mode: MPOL_BIND, mask, flags: 0 });
      return [task.read(addr / PAGE_SIZE), machine.usedPages(C)];
    },
    NP_OPS_MIGRATION | NP_OPS_MEMPOLICY,
  );
  expect(told).toEqual({ v4: ['killed', 0], mended: ['ok', 1] });
});

describe('what files say of the node', () => {
  test('numaMaps: its pages are in no line of numa_maps, or in a word of their own', () => {
    const told = both('numaMaps', ({ machine }) => {
      const task = grouped(machine, PAGES);
      task.movePages(vpns(PAGES / 2), C);
      const [line = ''] = machine.numaMaps.lines(task.struct);
      return [task.mm.rss, line.match(/ (anon|N\d)=\d+/g)];
    });
    expect(told).toEqual({
      v4: [PAGES, [' anon=8', ' N0=8']],
      mended: [PAGES, [' anon=16', ' N0=8', ' N2=8']],
    });
  });

  test('numaStat: its pages are in memory.stat and not in memory.numa_stat, or in both', () => {
    const told = both('numaStat', ({ machine }) => {
      grouped(machine, PAGES).movePages(vpns(PAGES), C);
      machine.folios.lruAddDrainAll();
      return ['memory.stat', 'memory.numa_stat'].map((file) => lineOf(machine, file, 'anon'));
    });
    expect(told).toEqual({
      v4: ['anon 65536', 'anon N0=0 N1=0'],
      mended: ['anon 65536', 'anon N0=0 N1=0 N2=65536 N3=0'],
    });
  });

  test('normalMemory: the node has normal memory and no memory, or neither', () => {
    const told = both('normalMemory', ({ machine: { pseudoFiles } }) =>
      ['has_memory', 'has_normal_memory'].map((name) => pseudoFiles.read(`${NODES}/${name}`)),
    );
    expect(told).toEqual({ v4: ['0-1', '0-3'], mended: ['0-1', '0-1'] });
  });
});

describe('demotionOrder', () => {
  /** Pages of the ages 0 (oldest) to 255, demoted towards a target with room for some of them. */
  function demoted(
    made: Served,
    kswapd: 'runs' | 'is hopeless' | 'does not run',
  ): readonly number[] {
    const { machine } = made;
    machine.hotplug.offlinePages(1);
    const held: number[] = [];
    machine.folios.addHolder(() => held);
    for (let at = 0; at < 900; at++) {
      held.push(machine.zoneAlloc.alloc({ gfp: GFP_PRIVATE, order: 0, nid: C, nodemask: null }));
    }
    if (kswapd !== 'does not run') made.service(KswapdToken).start(C);
    if (kswapd === 'is hopeless') machine.nodes.pgdat(C).kswapd.failures = 16;
    const task = grouped(machine, 256);
    machine.pseudoFiles.write(`${CGROUP_FOLDER}/g/memory.reclaim`, '1024K');
    machine.sleep(1e8);
    const nodes = vpns(256).map((vpn) => {
      const slot = machine.ptes.find(task.mm.id, vpn);
      const pfn = machine.ptes.value[slot] ?? -1;
      return machine.table.mapcount[pfn] === 1 ? machine.nodes.nidOf(pfn) : -1;
    });
    const oldest = nodes.indexOf(C);
    return [
      nodes.filter((nid) => nid === C).length > 0 ? 1 : 0,
      nodes.filter((nid, vpn) => nid === D && vpn > oldest).length > 0 ? 1 : 0,
    ];
  }
  const flags = NP_OPS_MIGRATION | NP_OPS_DEMOTION | NP_OPS_RECLAIM;

  test('younger pages pass a full target and land below, or wait for its kswapd', () => {
    const told = both('demotionOrder', (made) => demoted(made, 'runs'), flags);
    expect(told).toEqual({ v4: [1, 1], mended: [1, 0] });
  });

  test('a target that nobody empties is passed by, or nothing would move', () => {
    const told = both('demotionOrder', (made) => demoted(made, 'does not run'), flags);
    expect(told).toEqual({ v4: [1, 1], mended: [1, 1] });
    const hopeless = both('demotionOrder', (made) => demoted(made, 'is hopeless'), flags);
    expect(hopeless).toEqual(told);
  });

  test('a target that refuses is passed by, whatever it holds', () => {
    const told = both(
      'demotionOrder',
      (made) => {
        made.refusing.add(C);
        return demoted(made, 'runs');
      },
      flags,
    );
    expect(told).toEqual({ v4: [0, 1], mended: [0, 1] });
  });
});

describe('lateClear', () => {
  test('the ops that went with the memory are no longer there, or cleared already', () => {
    const told = both('lateClear', ({ nodes, hotplug, ops }) => {
      hotplug.offline_and_remove_private_memory(C);
      return [1, 2].map(() => nodes.node_private_clear_ops(C, ops));
    });
    expect(told).toEqual({ v4: [-ENODEV, -ENODEV], mended: [0, -ENODEV] });
  });

  test('it is about those ops only, and only until the node is registered again', () => {
    const told = both('lateClear', ({ nodes, hotplug, ops }) => {
      hotplug.offline_and_remove_private_memory(C);
      hotplug.offline_and_remove_private_memory(D);
      nodes.node_private_register(D, { name: 'another' });
      nodes.node_private_unregister(D);
      const rcs = [
        nodes.node_private_clear_ops(C, { ...ops }),
        nodes.node_private_clear_ops(D, ops),
      ];
      return rcs;
    });
    expect(told).toEqual({ v4: [-ENODEV, -ENODEV], mended: [-ENODEV, -ENODEV] });
  });
});
