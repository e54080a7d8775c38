import {
  CGROUP_FOLDER,
  EBUSY,
  EINVAL,
  MADV_COLLAPSE,
  MADV_PAGEOUT,
  MAP_ANONYMOUS,
  MAP_FIXED,
  MAP_SHARED,
  type Machine,
  PAGE_SIZE,
  PROT_READ,
  PROT_WRITE,
  type Task,
  zramSwap,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { type Mends, NP_OPS_DEMOTION, NP_OPS_MIGRATION, NP_OPS_RECLAIM } from '../src/index.js';
import { machineOf, type PrivateMachine } from './support.js';

const C = 2;
const D = 3;
const PAGES = 64;

/** The same story as v4 tells it and mended. */
function both<T>(mend: keyof Mends, story: (made: PrivateMachine) => T): { v4: T; mended: T } {
  const tell = (mends: Mends): T => {
    const made = machineOf(1, mends, [zramSwap({ pages: 4096, codec: 'lz4' })]);
    const told = story(made);
    made.machine.verify();
    return told;
  };
  return { v4: tell({}), mended: tell({ [mend]: 'mended' }) };
}

function serve(
  { machine, nodes, hotplug, moving }: PrivateMachine,
  nid: number,
  flags: number,
): void {
  hotplug.add_private_memory_driver_managed(nid, { name: `node ${nid}` }, null);
  nodes.node_private_set_ops(nid, { flags, ...moving() });
  machine.tiers.refresh();
}

function written(machine: Machine, pages: number): Task {
  const task = machine.createTask('t');
  task.mmap(0, pages);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  machine.folios.lruAddDrainAll();
  return task;
}

function groupOf({ pseudoFiles, cgroups }: Machine): (file: string, text: string) => number {
  pseudoFiles.write(`${CGROUP_FOLDER}/cgroup.subtree_control`, '+memory +cpuset');
  cgroups.mkdir('g');
  return (file, text) => pseudoFiles.write(`${CGROUP_FOLDER}/g/${file}`, text);
}

const vpns = (pages: number): number[] => Array.from({ length: pages }, (_, vpn) => vpn);

test('hugeAdvice: MADV_PAGEOUT swaps a huge page out of a node that lets nobody touch it', () => {
  const told = both('hugeAdvice', (made) => {
    const { machine, nodes } = made;
    serve(made, C, NP_OPS_MIGRATION);
    machine.pseudoFiles.write('/sys/kernel/mm/transparent_hugepage/enabled', 'always');
    const task = machine.createTask('t');
    task.mmap(0, 512);
    for (let vpn = 0; vpn < 512; vpn++) task.write(vpn);
    machine.folios.lruAddDrainAll();
    task.movePages([0], C);
    const there = machine.usedPages(C);
    const ops = nodes.opsOf(C);
    if (ops !== null) nodes.node_private_clear_ops(C, ops);
    task.madvise(0, 512, MADV_PAGEOUT);
    return [there, machine.usedPages(C)];
  });
  expect(told).toEqual({ v4: [512, 0], mended: [512, 512] });
});

test('cpusetMoves: attaching to a cpuset of the node alone moves the task there', () => {
  const told = both('cpusetMoves', (made) => {
    const { machine } = made;
    serve(made, C, NP_OPS_MIGRATION);
    const task = written(machine, PAGES);
    const write = groupOf(machine);
    const rcs = [write('cpuset.mems', `${C}`), write('cgroup.procs', `${task.struct.pid}`)];
    return [...rcs, machine.usedPages(C)];
  });
  expect(told).toEqual({ v4: [0, 0, PAGES], mended: [0, 0, 0] });
});

test('hotAdd: ordinary memory plugged into a registered node silently becomes private', () => {
  const told = both('hotAdd', ({ machine, nodes, hotplug }) => {
    const np = { name: 'c' };
    nodes.node_private_register(C, np);
    const plain = machine.hotplug.onlinePages(C, null);
    const state = machine.nodes.pgdat(C).managedPages() > 0;
    const own = plain === 0 ? 0 : hotplug.add_private_memory_driver_managed(C, np, null);
    return [plain, state, own];
  });
  expect(told).toEqual({ v4: [0, true, 0], mended: [-EBUSY, false, 0] });
});

test('blockedTarget: a blocked nearest target stops all demotion, unless it is passed over', () => {
  const told = both('blockedTarget', (made) => {
    const { machine, nodes } = made;
    machine.hotplug.offlinePages(1);
    serve(made, C, NP_OPS_MIGRATION | NP_OPS_DEMOTION);
    serve(made, D, NP_OPS_MIGRATION | NP_OPS_DEMOTION);
    const nearest = machine.tiers.nextDemotionNode(0);
    const owner = nodes.ownerOfNode(nearest);
    if (owner !== null) owner.migrationBlocked = true;
    const task = machine.createTask('t');
    const write = groupOf(machine);
    write('cgroup.procs', `${task.struct.pid}`);
    task.mmap(0, 200);
    for (let vpn = 0; vpn < 200; vpn++) task.write(vpn);
    machine.folios.lruAddDrainAll();
    write('memory.reclaim', '400K');
    const demoted = [C, D].reduce((sum, nid) => sum + machine.usedPages(nid), 0);
    return [machine.usedPages(nearest), demoted > 0];
  });
  expect(told).toEqual({ v4: [0, false], mended: [0, true] });
});

test('groupReclaim: a limit below what lies on the node kills, unless reclaim goes there', () => {
  const told = both('groupReclaim', (made) => {
    const { machine } = made;
    serve(made, C, NP_OPS_MIGRATION | NP_OPS_RECLAIM);
    machine.pseudoFiles.write('/sys/kernel/mm/numa/demotion_enabled', '0');
    const task = machine.createTask('t');
    const write = groupOf(machine);
    write('cgroup.procs', `${task.struct.pid}`);
    task.mmap(0, 400);
    for (let vpn = 0; vpn < 400; vpn++) task.write(vpn);
    machine.folios.lruAddDrainAll();
    task.movePages(vpns(400), C);
    write('memory.max', '1M');
    const { oom_kill } = machine.vmstat();
    return [oom_kill, machine.stats()['swap.out'] ?? 0];
  });
  expect(told.v4).toEqual([1, 0]);
  expect(told.mended[0]).toBe(0);
  expect(told.mended[1]).toBeGreaterThan(100);
});

test('a huge page of a file that lies on the node is not mapped by one entry again', () => {
  const made = machineOf();
  serve(made, C, NP_OPS_MIGRATION);
  const { machine } = made;
  const task = machine.createTask('t');
  const range = { addr: 512 * PAGE_SIZE, length: 512 * PAGE_SIZE };
  const request = { prot: PROT_READ | PROT_WRITE, flags: MAP_ANONYMOUS | MAP_SHARED | MAP_FIXED };
  machine.sys.mmap.mmap(task.struct, { ...range, ...request });
  for (let vpn = 512; vpn < 600; vpn++) task.write(vpn);
  const collapse = (): number => task.madvise(512, 512, MADV_COLLAPSE);
  const warned = (): string | number => machine.pseudoFiles.read('/proc/sys/kernel/tainted');
  const first = [collapse(), task.movePages([512], C).rc, warned()];
  task.mprotect(512, 256, PROT_READ);
  for (let vpn = 512; vpn < 1024; vpn++) task.read(vpn);
  task.mprotect(512, 256, PROT_READ | PROT_WRITE);
  expect([first, collapse(), warned(), task.where([512, 1023])]).toEqual([
    [0, 0, '0'],
    -EINVAL,
    '512',
    [C, C],
  ]);
  machine.verify();
});
