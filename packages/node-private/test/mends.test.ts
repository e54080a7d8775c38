import {
  CGROUP_FOLDER,
  EBUSY,
  EHWPOISON,
  EINVAL,
  GFP_HIGHUSER_MOVABLE,
  MAP_ANONYMOUS,
  MAP_SHARED,
  type Machine,
  MPOL_BIND,
  MPOL_MF_MOVE,
  MPOL_PREFERRED_MANY,
  PG_lru,
  PROT_READ,
  PROT_WRITE,
  type Task,
} from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import {
  GFP_PRIVATE,
  type Mends,
  type NodePrivateOps,
  NP_OPS_DEMOTION,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  NP_OPS_PROTECT_WRITE,
} from '../src/index.js';
import { machineOf, type PrivateMachine, type ToldBoth, toldBoth } from './support.js';

const C = 2;
const D = 3;
const PAGES = 8;
/** More than a node has, less than all of DRAM. */
const MANY = 1500;

interface Served extends PrivateMachine {
  readonly ops: NodePrivateOps;
  readonly calls: string[];
}

/** A machine whose node C lets policies name it. */
function served(mends: Mends): Served {
  const made = machineOf(1, mends);
  const calls: string[] = [];
  made.hotplug.add_private_memory_driver_managed(C, { name: 'c' }, null);
  const flags = NP_OPS_MIGRATION | NP_OPS_MEMPOLICY;
  const ops = { flags, ...made.moving(({ folios }) => calls.push(`migrate_to ${folios}`)) };
  made.nodes.node_private_set_ops(C, ops);
  return { ...made, ops, calls };
}

const MASK_C = { nodes: [C], maxnode: 65 };

/** Which pages, how, and to which nodes; all of the first area to C by default. */
interface Binding {
  readonly start?: number;
  readonly pages?: number;
  readonly mode?: number;
  readonly nodes?: readonly number[];
  readonly flags?: number;
}

function bind(machine: Machine, task: Task, binding: Binding = {}): number {
  const { start = 0, pages = PAGES, mode = MPOL_BIND, nodes = [C], flags = 0 } = binding;
  machine.work.runAs(task.struct);
  const args = { start, len: pages * 4096, mode, mask: { nodes, maxnode: 65 }, flags };
  return machine.sys.mbind.mbind(task.struct, args);
}

function mapped(machine: Machine): Task {
  const task = machine.createTask('t');
  task.mmap(0, PAGES);
  return task;
}

function touch(task: Task, { start = 0, pages = PAGES } = {}): string {
  for (let vpn = start; vpn < start + pages; vpn++) {
    const result = task.write(vpn);
    if (result !== 'ok') return result;
  }
  return 'ok';
}

/** The same story as v4 tells it and mended. */
function both<T>(mend: keyof Mends, story: (made: Served) => T): ToldBoth<T> {
  return toldBoth(mend, served, story);
}

describe('each defect of RFC v4 and its mend', () => {
  test('teardown: ops cleared first strand the pages, unless they leave first', () => {
    const told = both('teardown', ({ machine, nodes, hotplug, ops }) => {
      const task = mapped(machine);
      bind(machine, task);
      touch(task);
      const cleared = nodes.node_private_clear_ops(C, ops);
      const removed = hotplug.offline_and_remove_private_memory(C);
      return [cleared, removed, machine.usedPages(C)];
    });
    expect(told).toEqual({ v4: [0, -EBUSY, PAGES], mended: [0, 0, 0] });
  });

  test('teardown: what is pinned cannot leave, so the ops stay', () => {
    const told = both('teardown', ({ machine, nodes, ops }) => {
      const task = mapped(machine);
      bind(machine, task);
      touch(task);
      const folio = machine.ptes.value[machine.ptes.slot(task.mm.id, 0)] ?? -1;
      machine.folios.get(folio);
      machine.folios.addHolder(() => [folio]);
      return [nodes.node_private_clear_ops(C, ops), nodes.opsOf(C) === ops, machine.usedPages(C)];
    });
    expect(told).toEqual({ v4: [0, false, PAGES], mended: [-EBUSY, true, 1] });
  });

  test('kernelPages: a task bound to the node is killed for a page table', () => {
    const told = both('kernelPages', ({ machine }) => {
      const task = mapped(machine);
      machine.work.runAs(task.struct);
      machine.sys.setMempolicy.setMempolicy(task.struct, MPOL_BIND, MASK_C);
      const result = touch(task);
      return [result, task.alive, machine.usedPages(C), machine.vmstat().oom_kill];
    });
    expect(told).toMatchInlineSnapshot(`
      {
        "mended": [
          "ok",
          true,
          8,
          0,
        ],
        "v4": [
          "killed",
          false,
          0,
          1,
        ],
      }
    `);
  });

  test('shmem: a shared area bound to the node kills at its first fault', () => {
    const told = both('shmem', ({ machine }) => {
      const task = machine.createTask('t');
      const addr = machine.sys.mmap.mmap(task.struct, {
        addr: 0,
        length: PAGES * 4096,
        prot: PROT_READ | PROT_WRITE,
        flags: MAP_SHARED | MAP_ANONYMOUS,
      });
      bind(machine, task, { start: addr });
      return [touch(task, { start: addr / 4096 }), task.alive, machine.usedPages(C)];
    });
    expect(told).toMatchInlineSnapshot(`
      {
        "mended": [
          "ok",
          true,
          8,
        ],
        "v4": [
          "killed",
          false,
          0,
        ],
      }
    `);
  });

  test('stalePolicy: an old policy goes on placing pages on the node', () => {
    const told = both('stalePolicy', ({ machine, nodes, ops }) => {
      const task = mapped(machine);
      bind(machine, task);
      nodes.node_private_clear_ops(C, ops);
      return [touch(task), machine.usedPages(C)];
    });
    expect(told).toEqual({ v4: ['ok', PAGES], mended: ['ok', 0] });
  });

  test('mbindMove: mbind brings pages to the node without the service', () => {
    const told = both('mbindMove', ({ machine, calls }) => {
      const task = mapped(machine);
      touch(task);
      machine.folios.lruAddDrainAll();
      const rc = bind(machine, task, { flags: MPOL_MF_MOVE });
      return [rc, machine.usedPages(C), calls];
    });
    expect(told).toEqual({
      v4: [0, PAGES, []],
      mended: [0, PAGES, [`migrate_to ${PAGES}`]],
    });
  });

  test('overflow: an area larger than its node kills, with DRAM free', () => {
    const told = both('overflow', ({ machine }) => {
      const task = machine.createTask('t');
      task.mmap(0, MANY);
      bind(machine, task, { pages: MANY });
      const result = touch(task, { pages: MANY });
      const inDram = machine.usedPages(0) + machine.usedPages(1) > 0;
      return [result, inDram, machine.vmstat().oom_kill];
    });
    expect(told).toEqual({ v4: ['killed', false, 1], mended: ['ok', true, 0] });
  });

  test('policyReach: a policy of two private nodes, or of one and DRAM, uses one', () => {
    const reach = (mode: number, nodes: number[], pages: number) =>
      both('policyReach', (made) => {
        const { machine } = made;
        made.hotplug.add_private_memory_driver_managed(D, { name: 'd' }, null);
        made.nodes.node_private_set_ops(D, made.ops);
        const task = machine.createTask('t');
        task.mmap(0, pages);
        bind(machine, task, { pages, mode, nodes });
        const result = touch(task, { pages });
        return [result, ...[C, D].map((nid) => machine.usedPages(nid) > 0)];
      });
    expect(reach(MPOL_BIND, [C, D], MANY)).toEqual({
      v4: ['killed', true, false],
      mended: ['ok', true, true],
    });
    expect(reach(MPOL_BIND, [0, C], MANY)).toEqual({
      v4: ['ok', false, false],
      mended: ['ok', true, false],
    });
    expect(reach(MPOL_PREFERRED_MANY, [C], PAGES)).toEqual({
      v4: ['ok', false, false],
      mended: ['ok', true, false],
    });
  });

  test('obligations: flags are accepted without what they stand for', () => {
    const told = both('obligations', ({ nodes, ops }) => {
      const { migrate_to = () => 0, folio_migrate = () => undefined } = ops;
      const moving = { migrate_to, folio_migrate };
      const tried: NodePrivateOps[] = [
        { flags: NP_OPS_PROTECT_WRITE },
        { flags: NP_OPS_PROTECT_WRITE, handle_fault: () => 0 },
        { flags: NP_OPS_DEMOTION },
        { flags: NP_OPS_MIGRATION | NP_OPS_DEMOTION, ...moving },
        { flags: 0x100 },
      ];
      return tried.map((one) => nodes.node_private_set_ops(C, one));
    });
    expect(told).toEqual({ v4: [0, 0, 0, 0, 0], mended: [-EINVAL, 0, -EINVAL, 0, -EINVAL] });
  });

  test('poisonNotice: the service is told of a free page while nobody holds it', () => {
    const told = both('poisonNotice', ({ machine, nodes }) => {
      const counts: number[] = [];
      nodes.node_private_set_ops(C, {
        flags: 0,
        memory_failure: (folio) => counts.push(machine.table.refcount[folio] ?? -1),
      });
      const { base } = machine.nodes.pgdat(C);
      const used = machine.zoneAlloc.alloc({
        ...{ gfp: GFP_HIGHUSER_MOVABLE | GFP_PRIVATE, order: 0 },
        ...{ nid: C, nodemask: null },
      });
      const free = base + 100;
      const rcs = [used, free, free].map((pfn) => machine.memoryFailure.memoryFailure(pfn, 0));
      machine.folios.addHolder(() => [used]);
      return [rcs, counts];
    });
    expect(told).toEqual({
      v4: [
        [-EBUSY, 0, -EHWPOISON],
        [1, 0],
      ],
      mended: [
        [-EBUSY, 0, -EHWPOISON],
        [1, 1],
      ],
    });
  });

  test('keptFolios: what free_folio keeps is on the LRU and charged until it goes', () => {
    const told = both('keptFolios', ({ machine, nodes, ops }) => {
      const kept: number[] = [];
      machine.folios.addHolder(() => kept);
      nodes.node_private_set_ops(C, {
        ...ops,
        free_folio: (folio) => {
          if (kept.includes(folio)) return false;
          machine.folios.resurrect(folio);
          kept.push(folio);
          return true;
        },
      });
      const task = mapped(machine);
      const { pseudoFiles, cgroups } = machine;
      pseudoFiles.write(`${CGROUP_FOLDER}/cgroup.subtree_control`, '+memory');
      cgroups.mkdir('g');
      pseudoFiles.write(`${CGROUP_FOLDER}/g/cgroup.procs`, `${task.struct.pid}`);
      bind(machine, task);
      touch(task);
      machine.folios.lruAddDrainAll();
      task.munmap(0, PAGES);
      const listed = kept.filter((pfn) => machine.table.has(pfn, PG_lru)).length;
      const charged = kept.filter((pfn) => machine.table.memcg[pfn] !== 0).length;
      machine.verify();
      const late = [...kept];
      for (const pfn of late) machine.folios.put(pfn);
      kept.splice(0);
      return [late.length, listed, charged, machine.usedPages(C)];
    });
    expect(told).toEqual({ v4: [PAGES, PAGES, PAGES, 0], mended: [PAGES, 0, 0, 0] });
  });
});
