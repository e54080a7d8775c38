import {
  EBUSY,
  GFP_HIGHUSER_MOVABLE,
  type HookOps,
  MAP_ANONYMOUS,
  MAP_SHARED,
  type Machine,
  MPOL_BIND,
  MPOL_MF_MOVE,
  PROT_READ,
  PROT_WRITE,
  type Task,
} from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import {
  GFP_PRIVATE,
  type Mends,
  type NodePrivateOps,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
} from '../src/index.js';
import { machineOf, type PrivateMachine } from './support.js';

const C = 2;
const PAGES = 8;

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
  const ops = { flags, ...callbacks(made.machine, calls) };
  made.nodes.node_private_set_ops(C, ops);
  return { ...made, ops, calls };
}

function callbacks(machine: Machine, calls: string[]): Partial<HookOps> {
  return {
    migrate_to(folios, nid, mode, reason) {
      calls.push(`migrate_to ${folios.length}`);
      const gfp = GFP_HIGHUSER_MOVABLE | GFP_PRIVATE;
      const newFolio = (): number => {
        return machine.zoneAlloc.alloc({ gfp, order: 0, nid, nodemask: null });
      };
      return machine.migrate.migratePages(folios, { mode, reason, newFolio }).rc;
    },
    folio_migrate: () => undefined,
  };
}

const MASK_C = { nodes: [C], maxnode: 65 };

function bind(machine: Machine, task: Task, flags = 0, start = 0): number {
  machine.work.runAs(task.struct);
  const args = { start, len: PAGES * 4096, mode: MPOL_BIND, mask: MASK_C, flags };
  return machine.sys.mbind.mbind(task.struct, args);
}

function mapped(machine: Machine): Task {
  const task = machine.createTask('t');
  task.mmap(0, PAGES);
  return task;
}

function touch(task: Task, start = 0): string {
  for (let vpn = start; vpn < start + PAGES; vpn++) {
    const result = task.write(vpn);
    if (result !== 'ok') return result;
  }
  return 'ok';
}

/** The same story as v4 tells it and mended. */
function both<T>(mend: keyof Mends, story: (made: Served) => T): { v4: T; mended: T } {
  const tell = (mends: Mends): T => {
    const made = served(mends);
    const told = story(made);
    made.machine.verify();
    return told;
  };
  return { v4: tell({}), mended: tell({ [mend]: 'mended' }) };
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
      bind(machine, task, 0, addr);
      return [touch(task, addr / 4096), task.alive, machine.usedPages(C)];
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
      const rc = bind(machine, task, MPOL_MF_MOVE);
      return [rc, machine.usedPages(C), calls];
    });
    expect(told).toEqual({
      v4: [0, PAGES, []],
      mended: [0, PAGES, [`migrate_to ${PAGES}`]],
    });
  });
});
