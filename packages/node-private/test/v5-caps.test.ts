import {
  DemotionToken,
  EINVAL,
  ENODEV,
  ENOENT,
  MADV_PAGEOUT,
  type Machine,
  type MmError,
  MPOL_BIND,
  type Task,
  zramSwap,
} from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import {
  CAP_FACTS,
  grantsOfCaps,
  NODE_PRIVATE_CAP_DEMOTION,
  NODE_PRIVATE_CAP_HOTUNPLUG,
  NODE_PRIVATE_CAP_LTPIN,
  NODE_PRIVATE_CAP_NUMA_BALANCING,
  NODE_PRIVATE_CAP_RECLAIM,
  NODE_PRIVATE_CAP_USER_NUMA,
  NP_OPS_MIGRATION,
} from '../src/index.js';
import { machineOf, type PrivateMachine } from './support.js';

const ALL =
  NODE_PRIVATE_CAP_RECLAIM |
  NODE_PRIVATE_CAP_USER_NUMA |
  NODE_PRIVATE_CAP_HOTUNPLUG |
  NODE_PRIVATE_CAP_DEMOTION |
  NODE_PRIVATE_CAP_NUMA_BALANCING |
  NODE_PRIVATE_CAP_LTPIN;

/** A machine whose node 2 has these capabilities. */
function capable(caps: number): PrivateMachine {
  const swap = zramSwap({ pages: 1024, codec: 'lz4' });
  const made = machineOf(1, { profile: 'v5-caps' }, [swap]);
  const rc = made.hotplug.add_private_memory_driver_managed(2, { name: 'v5', caps }, null);
  expect(rc).toBe(0);
  return made;
}

function taskOn({ machine }: PrivateMachine, pages: number): ReturnType<typeof machine.createTask> {
  const task = machine.createTask('t');
  task.mmap(0, pages);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  machine.folios.lruAddDrainAll();
  return task;
}

function bind(machine: Machine, task: Task, nodes: number[], pages = 4): number {
  machine.work.runAs(task.struct);
  const mask = { nodes, maxnode: 65 };
  const args = { start: 0, len: pages * 4096, mode: MPOL_BIND, mask, flags: 0 };
  return machine.sys.mbind.mbind(task.struct, args);
}

describe('v5-caps', () => {
  test('registration refuses DEMOTION without RECLAIM, and only then', () => {
    const { nodes } = machineOf(1, { profile: 'v5-caps' });
    const rcs = [NODE_PRIVATE_CAP_DEMOTION, 0, ALL].map((caps, at) => {
      return nodes.node_private_register(2 + (at >> 1), { name: `caps ${caps}`, caps });
    });
    expect(rcs).toEqual([-EINVAL, 0, 0]);
    expect(CAP_FACTS.every(({ cap, requires }) => grantsOfCaps(cap | requires) > 0)).toBe(true);
  });

  test('a driver that brings callbacks is told what to do instead', () => {
    const { nodes } = capable(0);
    let message = '';
    try {
      nodes.node_private_set_ops(2, {
        flags: NP_OPS_MIGRATION,
        migrate_to: () => 0,
        folio_migrate: () => undefined,
      });
    } catch (error) {
      message = (error as MmError).message;
    }
    expect(message).toContain('v5: the driver brings what this generation');
    expect(message).toContain('migrate_to, folio_migrate. Name capabilities at registration');
  });

  test('move_pages needs USER_NUMA and calls nobody', () => {
    const moves = [0, NODE_PRIVATE_CAP_USER_NUMA].map((caps) => {
      const made = capable(caps);
      const task = taskOn(made, 4);
      const { rc } = task.movePages([0, 1], 2);
      const back = task.movePages([1], 0).rc;
      made.machine.verify();
      return [rc, back, task.where([0, 1]), made.machine.managed.hookCalls().size];
    });
    expect(moves).toEqual([
      [-ENODEV, 0, [0, 0], 0],
      [0, 0, [2, 0], 0],
    ]);
  });

  test('where pages are is told only with USER_NUMA', () => {
    const made = capable(NODE_PRIVATE_CAP_DEMOTION | NODE_PRIVATE_CAP_RECLAIM);
    const task = taskOn(made, 8);
    const folio = made.machine.ptes.value[made.machine.ptes.slot(task.mm.id, 0)] ?? -1;
    made.machine.folios.isolateLru(folio);
    const list = [folio];
    expect(made.service(DemotionToken).demoteFolioList(list, 1)).toBe(1);
    made.machine.migrate.waitForBatches();
    expect([task.where([0, 1]), made.machine.usedPages(2)]).toEqual([[-ENOENT, 0], 1]);
    expect(task.write(0)).toBe('ok');
    made.machine.verify();
  });

  test('the node is a demotion target by its capability only', () => {
    const targets = [0, NODE_PRIVATE_CAP_RECLAIM, NODE_PRIVATE_CAP_DEMOTION | 1].map((caps) => {
      return capable(caps).machine.tiers.nextDemotionNode(1);
    });
    expect(targets).toEqual([-1, -1, 2]);
  });

  test('NUMA balancing scans and promotes by its capability alone; users learn nothing', () => {
    const demoted = NODE_PRIVATE_CAP_DEMOTION | NODE_PRIVATE_CAP_RECLAIM;
    const told = [demoted, demoted | NODE_PRIVATE_CAP_NUMA_BALANCING].map((caps) => {
      const made = capable(caps);
      const { machine } = made;
      machine.hotplug.offlinePages(1);
      const task = taskOn(made, 8);
      machine.pseudoFiles.write('/sys/fs/cgroup/memory.reclaim', '32K');
      machine.migrate.waitForBatches();
      const before = machine.usedPages(2);
      machine.pseudoFiles.write('/proc/sys/kernel/numa_balancing', '2');
      const scanned = machine.numaScan.scanAll(task.struct);
      const user = [task.where([0]), task.movePages([0], 0).status, bind(machine, task, [2])];
      for (let vpn = 0; vpn < 8; vpn++) task.read(vpn);
      machine.verify();
      return { before, scanned, user, after: machine.usedPages(2) };
    });
    const user = [[-ENOENT], [-ENOENT], -EINVAL];
    expect(told).toEqual([
      { before: 8, scanned: 0, user, after: 8 },
      { before: 8, scanned: 8, user, after: 0 },
    ]);
  });

  test('MADV_PAGEOUT needs RECLAIM', () => {
    const out = [0, NODE_PRIVATE_CAP_RECLAIM].map((caps) => {
      const made = capable(caps | NODE_PRIVATE_CAP_USER_NUMA);
      const task = taskOn(made, 4);
      task.movePages([0, 1, 2, 3], 2);
      made.machine.folios.lruAddDrainAll();
      task.madvise(0, 4, MADV_PAGEOUT);
      made.machine.verify();
      return made.machine.usedPages(2);
    });
    expect(out).toEqual([4, 0]);
  });

  test('only with HOTUNPLUG a node in use can be emptied', () => {
    const rcs = [0, NODE_PRIVATE_CAP_HOTUNPLUG].map((caps) => {
      const made = capable(caps | NODE_PRIVATE_CAP_USER_NUMA);
      const task = taskOn(made, 4);
      task.movePages([0, 1], 2);
      const rc = made.hotplug.offline_and_remove_private_memory(2);
      return [rc, task.where([0])];
    });
    expect(rcs).toEqual([
      [-16, [2]],
      [0, [0]],
    ]);
  });

  test('a pinned page stays on the node with LTPIN and leaves it without', () => {
    const nodes = [0, NODE_PRIVATE_CAP_LTPIN].map((caps) => {
      const made = capable(caps | NODE_PRIVATE_CAP_USER_NUMA);
      const task = taskOn(made, 1);
      task.movePages([0], 2);
      const pfn = task.pinLongterm(0);
      return [made.machine.nodes.nidOf(pfn)];
    });
    expect(nodes).toEqual([[0], [2]]);
  });

  test('a node that lets mm reclaim has a kswapd, others have none', () => {
    const running = [0, NODE_PRIVATE_CAP_RECLAIM].map((caps) => {
      return capable(caps).machine.nodes.pgdat(2).kswapd.running;
    });
    expect(running).toEqual([false, true]);
  });

  test('mbind names the node with USER_NUMA, and is trimmed without', () => {
    const said = [0, NODE_PRIVATE_CAP_USER_NUMA].map((caps) => {
      const made = capable(caps);
      const task = made.machine.createTask('t');
      task.mmap(0, 4);
      const rcs = [[2], [0, 2]].map((nodes) => bind(made.machine, task, nodes));
      for (let vpn = 0; vpn < 4; vpn++) task.write(vpn);
      made.machine.verify();
      return [...rcs, task.where([0, 1, 2, 3])];
    });
    expect(said).toEqual([
      [-EINVAL, 0, [0, 0, 0, 0]],
      [0, 0, [0, 0, 0, 0]],
    ]);
  });

  test('an area bound to a full node goes on in ordinary memory and nobody is killed', () => {
    const made = capable(NODE_PRIVATE_CAP_USER_NUMA);
    const task = made.machine.createTask('t');
    task.mmap(0, 1200);
    bind(made.machine, task, [2], 1200);
    for (let vpn = 0; vpn < 1200; vpn++) task.write(vpn);
    made.machine.verify();
    expect([task.alive, task.where([0, 1199])]).toEqual([true, [2, 0]]);
  });

  test('two private nodes are both reached by one policy', () => {
    const made = capable(NODE_PRIVATE_CAP_USER_NUMA);
    const caps = NODE_PRIVATE_CAP_USER_NUMA;
    made.hotplug.add_private_memory_driver_managed(3, { name: 'd', caps }, null);
    const task = made.machine.createTask('t');
    task.mmap(0, 1200);
    bind(made.machine, task, [2, 3], 1200);
    for (let vpn = 0; vpn < 1200; vpn++) task.write(vpn);
    expect(task.where([0, 1199])).toEqual([2, 3]);
  });

  test('cpusets neither grant nor withhold the node', () => {
    const made = capable(NODE_PRIVATE_CAP_USER_NUMA);
    const { machine } = made;
    const task = machine.createTask('t');
    task.mmap(0, 4);
    task.struct.memsAllowed = new Set([0]);
    bind(machine, task, [2]);
    for (let vpn = 0; vpn < 4; vpn++) task.write(vpn);
    expect([task.where([0]), machine.usedPages(2)]).toEqual([[2], 4]);
    expect(machine.pseudoFiles.read('/sys/fs/cgroup/cpuset.mems.effective')).toContain('0-1');
  });
});
