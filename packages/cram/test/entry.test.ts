import {
  CGROUP_FOLDER,
  EINVAL,
  ENODEV,
  MAX_NUMNODES,
  type Machine,
  PTE_WRITE,
  type Task,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { DEVICE, DRAM, machineOf } from './support.js';

const PAGES = 64;
const ALL = Array.from({ length: PAGES }, (_, vpn) => vpn);

function writer(machine: Machine): Task {
  const task = machine.createTask('t');
  task.mmap(0, PAGES);
  for (const vpn of ALL) task.write(vpn);
  return task;
}

/** Pages on the node, and those of them that may be stored to. */
function there(machine: Machine, task: Task): { pages: number; writable: number } {
  const slots = ALL.map((vpn) => machine.ptes.find(task.mm.id, vpn));
  const on = slots.filter((slot) => {
    return machine.nodes.nidOf(machine.ptes.value[slot] ?? 0) === DEVICE;
  });
  const writable = on.filter((slot) => ((machine.ptes.bits[slot] ?? 0) & PTE_WRITE) !== 0);
  return { pages: on.length, writable: writable.length };
}

/** The ways in that a kernel with the series was seen to have. */
const WAYS: Readonly<Record<string, (machine: Machine, task: Task) => void>> = {
  move_pages: (_machine, task) => {
    task.movePages(ALL, DEVICE);
  },
  migrate_pages: (machine, task) => {
    machine.work.runAs(task.struct);
    const mask = (nid: number) => ({ nodes: [nid], maxnode: 64 });
    machine.sys.migratePages.migratePages(task.struct, {
      pid: 0,
      from: mask(DRAM),
      to: mask(DEVICE),
    });
    machine.spend();
  },
  'cpuset attach': (machine, task) => {
    const { pseudoFiles } = machine;
    pseudoFiles.write(`${CGROUP_FOLDER}/cgroup.subtree_control`, '+cpuset');
    machine.cgroups.mkdir('g');
    pseudoFiles.write(`${CGROUP_FOLDER}/g/cpuset.mems`, String(DEVICE));
    pseudoFiles.write(`${CGROUP_FOLDER}/g/cgroup.procs`, String(task.struct.pid));
  },
};

test.for(Object.keys(WAYS))('pages come in by %s, read-only, through one migrate_to', (name) => {
  const { machine } = machineOf();
  const task = writer(machine);
  WAYS[name]?.(machine, task);
  machine.verify();
  expect({
    ...there(machine, task),
    calls: machine.managed.hookCalls().get('migrate_to'),
  }).toEqual({ pages: PAGES, writable: 0, calls: 1 });
});

test('pages come in by demotion, read-only, and every batch of the LRU is drained', () => {
  const { machine } = machineOf({ dramPages: 256 });
  const task = machine.createTask('t');
  task.mmap(0, 400);
  for (let vpn = 0; vpn < 400; vpn++) task.write(vpn);
  machine.clock.advance(1e9);
  machine.verify();
  const { pages, writable } = there(machine, task);
  expect({ some: pages > 0, writable }).toEqual({ some: true, writable: 0 });
});

test('a batch stops in its middle when the node is blocked meanwhile', () => {
  const { machine, cram } = machineOf();
  const task = writer(machine);
  let allocated = 0;
  machine.tracepoints.mm_page_alloc.on((_now, _pfn, _order, _gfp, nid) => {
    if (nid === DEVICE && ++allocated === 10) cram.cram_set_pressure(DEVICE, 1000);
  });
  const { rc } = task.movePages(ALL, DEVICE);
  machine.verify();
  expect({ rc: rc === 0, ...there(machine, task) }).toEqual({ rc: false, pages: 10, writable: 0 });
});

test('a destination that is not used is zeroed and put', () => {
  const { machine } = machineOf();
  const task = writer(machine);
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  const pfn = machine.gup.getUserPage(task.mm, 0, DRAM);
  if (typeof pfn === 'number') held.push(pfn);
  const taken: number[] = [];
  machine.tracepoints.mm_page_alloc.on((_now, page, _order, _gfp, nid) => {
    if (nid === DEVICE) taken.push(page);
  });
  task.movePages([0], DEVICE);
  machine.verify();
  expect({
    taken: taken.length,
    key: machine.table.key[taken[0] ?? 0],
    used: machine.usedPages(DEVICE),
    freed: machine.managed.hookCalls().get('free_folio'),
  }).toEqual({ taken: 1, key: 0, used: 0, freed: 1 });
});

test('the answers of a flush: 0 and 2 free the page, 1 keeps it until it is put again', () => {
  const outcome = (answer: number): object => {
    const made = machineOf({ register: false });
    const { machine } = made;
    const kept: number[] = [];
    machine.folios.addHolder(() => kept);
    let flushes = 0;
    made.cram.cram_register_private_node(DEVICE, made.owner, (folio) => {
      flushes++;
      // The second visit of a folio that was kept is the end of the driver's own flush.
      if (flushes > 1) return 0;
      if (answer === 1) {
        machine.folios.resurrect(folio);
        kept.push(folio);
      }
      return answer;
    });
    const task = writer(machine);
    task.movePages([0], DEVICE);
    const pfn = machine.ptes.value[machine.ptes.find(task.mm.id, 0)] ?? -1;
    task.munmap(0, 1);
    machine.verify();
    const zeroed = machine.table.key[pfn] === 0;
    const usedFirst = machine.usedPages(DEVICE);
    for (const folio of kept.splice(0)) machine.folios.put(folio);
    machine.verify();
    return { zeroed, usedFirst, usedAtLast: machine.usedPages(DEVICE), flushes };
  };
  expect([0, 1, 2, 7].map(outcome)).toEqual([
    { zeroed: false, usedFirst: 0, usedAtLast: 0, flushes: 1 },
    { zeroed: false, usedFirst: 1, usedAtLast: 0, flushes: 2 },
    { zeroed: true, usedFirst: 0, usedAtLast: 0, flushes: 1 },
    { zeroed: true, usedFirst: 0, usedAtLast: 0, flushes: 1 },
  ]);
});

test('a node that is being torn down takes nothing until the mark is taken back', () => {
  const { cram, machine } = machineOf();
  const task = writer(machine);
  const marked = cram.cram_purge(DEVICE);
  const during = task.movePages([0], DEVICE).rc;
  const back = cram.cram_unpurge(DEVICE);
  const after = task.movePages([0], DEVICE).rc;
  machine.verify();
  expect({
    marked,
    during,
    back,
    after,
    elsewhere: [cram.cram_purge(DRAM), cram.cram_unpurge(DRAM)],
    nowhere: [cram.cram_purge(MAX_NUMNODES), cram.cram_unpurge(-1)],
  }).toEqual({
    marked: 0,
    during: -ENODEV,
    back: 0,
    after: 0,
    elsewhere: [-ENODEV, -ENODEV],
    nowhere: [-EINVAL, -EINVAL],
  });
});
