import {
  EBUSY,
  EINVAL,
  ENODEV,
  ENOSPC,
  MAP_ANONYMOUS,
  MAP_HUGETLB,
  MAP_PRIVATE,
  MAX_NUMNODES,
  PAGE_SIZE,
  PG_mlocked,
  PROT_READ,
  PROT_WRITE,
  type Task,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { CRAM_FLAGS } from '../src/index.js';
import { type CramMachine, DEVICE, DRAM, machineOf } from './support.js';

const HUGE_BYTES = 2 << 20;

/** A task with `pages` written pages, of which the first `there` were moved to the node. */
function taskOn(made: CramMachine, pages: number, there: number): Task {
  const task = made.machine.createTask('t');
  task.mmap(0, pages);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  task.movePages(
    Array.from({ length: there }, (_, vpn) => vpn),
    DEVICE,
  );
  made.machine.verify();
  return task;
}

test('registration has the error codes and flags of the posted code', () => {
  const { cram, owner, machine } = machineOf({ register: false });
  expect({
    'ordinary node': cram.cram_register_private_node(DRAM, owner, null),
    'no such node': cram.cram_register_private_node(7, owner, null),
    first: cram.cram_register_private_node(DEVICE, owner, null),
    'same owner': cram.cram_register_private_node(DEVICE, owner, null),
    'other owner': cram.cram_register_private_node(DEVICE, {}, null),
    unregister: cram.cram_unregister_private_node(DEVICE),
    'unregister again': cram.cram_unregister_private_node(DEVICE),
    'unregister nowhere': cram.cram_unregister_private_node(7),
    'no number of a node': cram.cram_unregister_private_node(MAX_NUMNODES),
    'unpurge nowhere': cram.cram_unpurge(7),
    'unpurge -1': cram.cram_unpurge(-1),
  }).toEqual({
    'ordinary node': -EINVAL,
    'no such node': -EINVAL,
    first: 0,
    'same owner': 0,
    'other owner': -EBUSY,
    unregister: 0,
    'unregister again': -ENODEV,
    'unregister nowhere': -ENODEV,
    'no number of a node': -EINVAL,
    'unpurge nowhere': -ENODEV,
    'unpurge -1': -EINVAL,
  });
  expect(CRAM_FLAGS).toBe(0x3d);
  machine.verify();
});

test('a node that is gone is no private node, whoever asks', () => {
  const { cram, owner, hotplug } = machineOf();
  expect(hotplug.offline_and_remove_private_memory(DEVICE)).toBe(0);
  expect({
    'same owner': cram.cram_register_private_node(DEVICE, owner, null),
    'other owner': cram.cram_register_private_node(DEVICE, {}, null),
    unregister: cram.cram_unregister_private_node(DEVICE),
  }).toEqual({ 'same owner': -EINVAL, 'other owner': -EINVAL, unregister: 0 });
});

test('unregistering leaves the block of full pressure behind, for who registers next', () => {
  const made = machineOf();
  const { cram, owner } = made;
  const task = taskOn(made, 8, 0);
  const moved = (): number => {
    task.movePages([0, 1], DEVICE);
    return made.machine.usedPages(DEVICE);
  };
  cram.cram_set_pressure(DEVICE, 1000);
  cram.cram_unregister_private_node(DEVICE);
  cram.cram_register_private_node(DEVICE, owner, null);
  const blocked = { pressure: cram.pressureOf(DEVICE), pages: moved() };
  cram.cram_clear_pressure(DEVICE);
  expect({ blocked, cleared: moved() }).toEqual({
    blocked: { pressure: 0, pages: 0 },
    cleared: 2,
  });
  made.machine.verify();
});

test('a page arrives read-only and a store brings it back with two faults and one copy', () => {
  const made = machineOf();
  const task = taskOn(made, 8, 4);
  expect(task.where([0, 3, 4])).toEqual([DEVICE, DEVICE, DRAM]);
  const before = made.machine.stats();
  expect(task.write(0)).toBe('ok');
  const after = made.machine.stats();
  const grew = (name: string): number => (after[name] ?? 0) - (before[name] ?? 0);
  expect({
    where: task.where([0]),
    faults: grew('fault.minor'),
    writeProtect: grew('fault.write_protect'),
    promotions: grew('cram.promotions'),
    moved: grew('vmstat.pgmigrate_success'),
  }).toEqual({ where: [DRAM], faults: 2, writeProtect: 2, promotions: 1, moved: 1 });
  made.machine.verify();
});

test('a read of a page on the node takes no fault', () => {
  const made = machineOf();
  const task = taskOn(made, 8, 4);
  const before = made.machine.vmstat().pgfault;
  for (let vpn = 0; vpn < 4; vpn++) expect(task.read(vpn)).toBe('ok');
  expect(made.machine.vmstat().pgfault).toBe(before);
  expect(task.where([0, 1, 2, 3])).toEqual([DEVICE, DEVICE, DEVICE, DEVICE]);
});

test('mprotect back to writable leaves the fence up: the store still faults (X12)', () => {
  const made = machineOf();
  const task = taskOn(made, 8, 4);
  task.mprotect(0, 8, PROT_READ);
  task.mprotect(0, 8, PROT_READ | PROT_WRITE);
  const before = made.machine.vmstat().pgfault;
  task.write(0);
  const fenced = made.machine.vmstat().pgfault - before;
  task.write(7);
  const ordinary = made.machine.vmstat().pgfault - before - fenced;
  expect({ fenced, ordinary }).toEqual({ fenced: 2, ordinary: 0 });
});

test('mlock of a writable area brings its pages to DRAM and locks them there', () => {
  const made = machineOf();
  const task = taskOn(made, 8, 4);
  const { machine } = made;
  expect(machine.sys.mlock.mlock(task.struct, 0, 8 * 4096)).toBe(0);
  machine.folios.lruAddDrainAll();
  const pages = [0, 1, 2, 3, 4, 5, 6, 7];
  expect(task.where(pages)).toEqual(pages.map(() => DRAM));
  const locked = pages.map((vpn) => {
    const pfn = machine.ptes.value[machine.ptes.slot(task.mm.id, vpn)] ?? -1;
    return machine.table.has(pfn, PG_mlocked);
  });
  expect(locked).toEqual(pages.map(() => true));
  machine.verify();
});

test('a child’s store promotes the shared page and copies from there', () => {
  const made = machineOf();
  const task = taskOn(made, 4, 4);
  const child = task.fork('child');
  if (typeof child === 'number') throw new Error('fork failed');
  child.write(1);
  expect({ parent: task.where([1]), child: child.where([1]) }).toEqual({
    parent: [DRAM],
    child: [DRAM],
  });
  task.read(1);
  child.read(1);
  made.machine.verify();
  expect(made.machine.engine.shadow.counts.staleReads).toBe(0);
});

test('full pressure refuses entry with -ENOSPC; without swap what is there stays', () => {
  const made = machineOf();
  const task = taskOn(made, 64, 32);
  made.cram.cram_set_pressure(DEVICE, 5000);
  expect(made.cram.pressureOf(DEVICE)).toBe(1000);
  expect(task.movePages([40, 41], DEVICE).rc).toBe(-ENOSPC);
  made.machine.clock.advance(1e9);
  expect(made.machine.usedPages(DEVICE)).toBe(32);
  made.cram.cram_clear_pressure(DEVICE);
  expect(task.movePages([40, 41], DEVICE).rc).toBe(0);
  made.machine.verify();
});

test('pressure frees its share of the node by swap, and stays until it is changed', () => {
  const left: Record<number, number> = {};
  for (const pressure of [250, 500, 999, 1000]) {
    const made = machineOf({ dramPages: 2048, devicePages: 2048, swapPages: 4096 });
    taskOn(made, 1250, 1200);
    made.cram.cram_set_pressure(DEVICE, pressure);
    made.machine.clock.advance(10e9);
    made.machine.verify();
    left[pressure] = made.machine.usedPages(DEVICE);
  }
  expect(left).toMatchInlineSnapshot(`
    {
      "1000": 1,
      "250": 1200,
      "500": 931,
      "999": 1,
    }
  `);
});

test('freed pages are scrubbed; those that reclaim frees are not, unless that is mended', () => {
  const calls = (reclaimFrees: 'v4' | 'mended'): object => {
    const made = machineOf({ dramPages: 2048, swapPages: 4096, reclaimFrees });
    const task = taskOn(made, 600, 512);
    task.munmap(0, 100);
    const hooked = made.machine.managed.hookCalls().get('free_folio') ?? 0;
    made.cram.cram_set_pressure(DEVICE, 1000);
    made.machine.clock.advance(10e9);
    made.machine.verify();
    return {
      byUnmap: hooked,
      byReclaim: (made.machine.managed.hookCalls().get('free_folio') ?? 0) - hooked,
      swapped: made.machine.stats()['swap.out'],
    };
  };
  expect({ v4: calls('v4'), mended: calls('mended') }).toEqual({
    v4: { byUnmap: 100, byReclaim: 0, swapped: 411 },
    mended: { byUnmap: 100, byReclaim: 411, swapped: 411 },
  });
});

test('unregistering strands the pages: they cannot migrate and stores go through', () => {
  const made = machineOf();
  const task = taskOn(made, 8, 4);
  made.cram.cram_unregister_private_node(DEVICE);
  const before = made.machine.vmstat().pgfault;
  task.write(0);
  expect({
    where: task.where([0]),
    faults: made.machine.vmstat().pgfault - before,
    remove: made.hotplug.offline_and_remove_private_memory(DEVICE),
  }).toEqual({ where: [-2], faults: 1, remove: -EBUSY });
  made.machine.verify();
  made.cram.cram_register_private_node(DEVICE, made.owner, null);
  expect(made.hotplug.offline_and_remove_private_memory(DEVICE)).toBe(0);
  expect(made.machine.usedPages(DEVICE)).toBe(0);
  made.machine.verify();
});

test('a page of the hugetlb pool does not come in, and its task goes on storing to it', () => {
  const { machine } = machineOf({ dramPages: 2048, devicePages: 2048 });
  machine.pseudoFiles.write('/proc/sys/vm/nr_hugepages', '1');
  const task = machine.createTask('t');
  const addr = machine.sys.mmap.mmap(task.struct, {
    addr: 0,
    length: HUGE_BYTES,
    prot: PROT_READ | PROT_WRITE,
    flags: MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB,
    file: null,
    offset: 0,
  });
  const start = addr / PAGE_SIZE;
  task.write(start);
  task.movePages([start], DEVICE);
  task.write(start);
  expect(task.where([start])).toEqual([DRAM]);
  expect(machine.usedPages(DEVICE)).toBe(0);
  machine.verify();
});
