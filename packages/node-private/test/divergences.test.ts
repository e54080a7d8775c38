import {
  __GFP_THISNODE,
  CGROUP_FOLDER,
  EBUSY,
  GFP_HIGHUSER_MOVABLE,
  LEVEL_PTE,
  type Machine,
  MIGRATE_ASYNC,
  MR_DEMOTION,
  MR_SYSCALL,
  type Task,
  VM_FAULT_SIGBUS,
} from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import {
  __GFP_PRIVATE,
  DIVERGENCES,
  type DivergenceChoice,
  type DivergenceName,
  GFP_PRIVATE,
  InterruptsToken,
  NodePrivateConfig,
  type NodePrivateOps,
  NP_OPS_DEMOTION,
  NP_OPS_MIGRATION,
  NP_OPS_PROTECT_WRITE,
  NP_OPS_RECLAIM,
  namedCalls,
  readDivergences,
} from '../src/index.js';
import { type MoveCall, machineOf, type PrivateMachine } from './support.js';

const np = { name: 'driver' };

/** The same in both readings, by the answer that each gives. */
function both<T>(name: DivergenceName, run: (made: PrivateMachine) => T): { code: T; text: T } {
  const code = machineOf(1, { divergences: { [name]: 'code' } });
  const text = machineOf(1, { divergences: { [name]: 'text' } });
  for (const { hotplug } of [code, text]) hotplug.add_private_memory_driver_managed(2, np, null);
  const answers = { code: run(code), text: run(text) };
  for (const { machine } of [code, text]) machine.verify();
  return answers;
}

/** Notes whom a move is for. */
function noteIn(calls: string[]): (call: MoveCall) => void {
  return ({ reason }) =>
    calls.push(reason === MR_SYSCALL ? 'migrate_to for a call' : 'migrate_to for demotion');
}

/** Takes every page, as one who asks and prefers node 2, until somebody is killed. */
function fillAll(machine: Machine): void {
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  const gfp = GFP_HIGHUSER_MOVABLE | __GFP_PRIVATE;
  while (machine.vmstat().oom_kill === 0) {
    const pfn = machine.pageAlloc.alloc({ gfp, order: 0, nid: 2, nodemask: null });
    if (pfn < 0) return;
    held.push(pfn);
  }
}

/** A group whose tasks may use these nodes. */
function cpuset({ pseudoFiles, cgroups }: Machine, name: string, mems: string) {
  pseudoFiles.write(`${CGROUP_FOLDER}/cgroup.subtree_control`, '+cpuset');
  cgroups.mkdir(name);
  expect(pseudoFiles.write(`${CGROUP_FOLDER}/${name}/cpuset.mems`, mems)).toBe(0);
  return ({ struct }: Task): void => {
    pseudoFiles.write(`${CGROUP_FOLDER}/${name}/cgroup.procs`, `${struct.pid}`);
  };
}

/** A task with `pages` pages on node 0. */
function taskWith(machine: Machine, pages: number): ReturnType<Machine['createTask']> {
  const task = machine.createTask('t');
  task.mmap(0, pages);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  machine.folios.lruAddDrainAll();
  return task;
}

test('a divergence is chosen by name, then by number; the code is the default', () => {
  const chosen: DivergenceChoice = { D1: 'text', secondOps: 'text', D3: 'code' };
  const { oomEligible, secondOps, oomNodes } = readDivergences(chosen);
  expect([oomEligible, secondOps, oomNodes]).toEqual(['text', 'text', 'code']);
  expect(Object.values(DIVERGENCES).map(({ id }) => id)).toEqual(
    Array.from({ length: 9 }, (_, at) => `D${at + 1}`),
  );
});

test('D1: OOM_ELIGIBLE needs RECLAIM by the code and MIGRATION by the text', () => {
  const eligible = both('oomEligible', ({ machine, nodes, moving }) => {
    const ask = (flags: number): boolean => {
      nodes.node_private_set_ops(2, { flags, ...moving() });
      return machine.managed.node_oom_eligible(0, 2);
    };
    return [ask(NP_OPS_RECLAIM | NP_OPS_DEMOTION), ask(NP_OPS_MIGRATION | NP_OPS_DEMOTION)];
  });
  expect(eligible).toEqual({ code: [true, false], text: [false, true] });
});

test('D1: so the reading decides whether the total of a kill has the pages of the node', () => {
  const counted = (flags: number) =>
    both('oomEligible', ({ machine, nodes, moving }) => {
      nodes.node_private_set_ops(2, { flags, ...moving() });
      taskWith(machine, 8);
      const totals: number[] = [];
      machine.tracepoints.mm_oom_kill.on((_now, _mm, _rss, total) => totals.push(total));
      fillAll(machine);
      const pages = [0, 1, 2].map((nid) => machine.nodes.pgdat(nid).managedPages());
      const [first = 0, second = 0, third = 0] = pages;
      return totals.map((total) => total - first - second === third);
    });
  expect(counted(NP_OPS_RECLAIM | NP_OPS_DEMOTION)).toEqual({ code: [true], text: [false] });
  expect(counted(NP_OPS_MIGRATION | NP_OPS_DEMOTION)).toEqual({ code: [false], text: [true] });
});

describe('D2: callbacks without their flag', () => {
  test('are called by the code and not by the text', () => {
    const calls = both('callbackGating', ({ machine, nodes, moving }) => {
      const seen: string[] = [];
      nodes.node_private_set_ops(2, { flags: NP_OPS_DEMOTION, ...moving(noteIn(seen)) });
      const task = taskWith(machine, 1);
      return [task.movePages([0], 2).rc, seen.length];
    });
    expect(calls).toEqual({ code: [0, 1], text: [-19, 0] });
  });

  test('with it they are called by both; free_folio has no flag and always is', () => {
    const calls = both('callbackGating', ({ machine, nodes, moving }) => {
      let freed = 0;
      nodes.node_private_set_ops(2, {
        flags: NP_OPS_MIGRATION,
        ...moving(),
        free_folio() {
          freed++;
          return false;
        },
      });
      const task = taskWith(machine, 4);
      const rc = task.movePages([0, 1, 2, 3], 2).rc;
      task.munmap(0, 4);
      return [rc, freed];
    });
    expect(calls).toEqual({ code: [0, 4], text: [0, 4] });
  });
});

test('D3: other ops overwrite by the code; by the text the node is busy', () => {
  const answers = both('secondOps', ({ nodes }) => {
    const first: NodePrivateOps = { flags: 0 };
    const second: NodePrivateOps = { flags: NP_OPS_RECLAIM };
    const rcs = [first, first, second].map((ops) => nodes.node_private_set_ops(2, ops));
    return [...rcs, nodes.opsOf(2) === second];
  });
  expect(answers).toEqual({ code: [0, 0, 0, true], text: [0, 0, -EBUSY, false] });
});

test('D4: an interrupt that asks gets private memory by the code and none by the text', () => {
  const landed = both('interruptNodes', ({ machine, service }) => {
    const interrupts = service(InterruptsToken);
    const ask = (gfp: number): number => {
      const pfn = machine.zoneAlloc.alloc({ gfp, order: 0, nid: 2, nodemask: null });
      if (pfn < 0) return -1;
      const nid = machine.nodes.nidOf(pfn);
      machine.folios.put(pfn);
      return nid;
    };
    const gfp = GFP_HIGHUSER_MOVABLE | __GFP_PRIVATE;
    return [ask(gfp), interrupts.run(() => ask(gfp)), interrupts.run(() => ask(gfp | GFP_PRIVATE))];
  });
  expect(landed).toEqual({ code: [2, 2, 2], text: [2, 0, -1] });
});

test('D5 and D8: calls have the name of the reading and do the same', () => {
  const calls = (reading: 'text' | 'code'): unknown[] => {
    const { machine, nodes, service } = machineOf(1, { divergences: { D5: reading, D8: reading } });
    const { divergences } = service(NodePrivateConfig);
    const { gate, register } = namedCalls(machine.managed, nodes, divergences);
    const registered = Object.values(register).map((call) => call(2, np));
    const admitted = Object.values(gate).map((call) => [call(2, 0), call(2, __GFP_PRIVATE)]);
    return [Object.keys(gate), Object.keys(register), registered, admitted];
  };
  expect({ code: calls('code'), text: calls('text') }).toEqual({
    code: [['numa_zone_alloc_allowed'], ['node_private_register'], [0], [[false, true]]],
    text: [['numa_zone_allowed'], ['node_private_region_register'], [0], [[false, true]]],
  });
});

test('D6: move_pages asks the service by the code; by the text only demotion does', () => {
  const seen = both('userMigration', ({ machine, nodes, moving }) => {
    const calls: string[] = [];
    const flags = NP_OPS_MIGRATION | NP_OPS_DEMOTION;
    nodes.node_private_set_ops(2, { flags, ...moving(noteIn(calls)) });
    const task = taskWith(machine, 2);
    const { rc } = task.movePages([0], 2);
    const folio = machine.ptes.value[machine.ptes.slot(task.mm.id, 1)] ?? -1;
    machine.folios.isolateLru(folio);
    machine.managed.node_private_migrate_to([folio], 2, MIGRATE_ASYNC, MR_DEMOTION);
    machine.migrate.waitForBatches();
    return [rc, task.where([0]), ...calls];
  });
  expect(seen).toEqual({
    code: [0, [2], 'migrate_to for a call', 'migrate_to for demotion'],
    text: [0, [2], 'migrate_to for demotion'],
  });
});

test('D7: handle_fault has three arguments by the code and one by the text', () => {
  const seen = both('faultSignature', ({ machine, nodes, moving }) => {
    const faults: string[] = [];
    nodes.node_private_set_ops(2, {
      flags: NP_OPS_MIGRATION | NP_OPS_PROTECT_WRITE,
      ...moving(),
      handle_fault(folio, vmf, level) {
        faults.push(`three: ${machine.nodes.nidOf(folio)} ${vmf.vpn} ${level === LEVEL_PTE}`);
        vmf.unlock();
        return VM_FAULT_SIGBUS;
      },
      handle_fault_vmf(fault) {
        const { folio, vpn, level } = fault;
        faults.push(`one: ${machine.nodes.nidOf(folio)} ${vpn} ${level === LEVEL_PTE}`);
        fault.unlock();
        return VM_FAULT_SIGBUS;
      },
    });
    const task = taskWith(machine, 1);
    task.movePages([0], 2);
    task.write(0);
    return faults;
  });
  expect(seen).toEqual({ code: ['three: 2 0 true'], text: ['one: 2 0 true'] });
});

test('D9: an eligible private node counts as shared memory by the text and not by the code', () => {
  const counts = both('oomNodes', ({ machine, nodes }) => {
    nodes.node_private_set_ops(2, { flags: NP_OPS_RECLAIM | NP_OPS_DEMOTION });
    const counts = (nid: number): boolean => machine.managed.node_counts_for_oom(0, nid);
    const eligible = counts(2);
    nodes.node_private_set_ops(2, { flags: NP_OPS_RECLAIM });
    return [eligible, counts(2), counts(0)];
  });
  expect(counts).toEqual({ code: [false, false, true], text: [true, false, true] });
});

test('D9: so by the text a task is killed in vain that shares only such a node', () => {
  const victims = both('oomNodes', ({ machine, nodes }) => {
    nodes.node_private_set_ops(2, { flags: NP_OPS_RECLAIM | NP_OPS_DEMOTION });
    const large = machine.createTask('large');
    cpuset(machine, 'a', '1-2')(large);
    large.mmap(0, 200);
    for (let vpn = 0; vpn < 200; vpn++) large.write(vpn);
    const short = machine.createTask('short');
    cpuset(machine, 'b', '0,2')(short);
    short.mmap(0, 2048);
    // The kernel itself has all of node 0 but for 100 pages.
    const held: number[] = [];
    machine.folios.addHolder(() => held);
    while (machine.nodes.pgdat(0).unusedPages() > 100) {
      const request = { gfp: __GFP_THISNODE, order: 0, nid: 0, nodemask: null };
      held.push(machine.zoneAlloc.alloc(request));
    }
    const killed: string[] = [];
    machine.tracepoints.mm_oom_kill.on((_now, mm) => {
      killed.push(mm === large.mm.id ? 'large' : 'short');
    });
    for (let vpn = 0; vpn < 200 && short.alive; vpn++) short.write(vpn);
    return killed;
  });
  expect(victims).toEqual({
    code: ['short'],
    text: ['large', 'short'],
  });
});
