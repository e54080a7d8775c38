import {
  createMachine,
  diskSwap,
  EFAULT,
  EINVAL,
  ENODEV,
  MADV_PAGEOUT,
  type Machine,
  MmError,
  Task,
  VM_HUGEPAGE,
} from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { expect, test } from 'vitest';
import { type DeviceCoherentPlugin, deviceCoherent } from '../src/index.js';

interface Plugged {
  readonly machine: Machine;
  readonly driver: DeviceCoherentPlugin;
  readonly task: Task;
}

/** 1024 pages of RAM with swap and 512 of coherent memory; a program has `pages` written. */
function plugged(pages: number, extra = 0): Plugged {
  const driver = deviceCoherent({ nid: 1 });
  const machine = createMachine(
    {
      seed: 1,
      nodes: [
        { id: 0, pages: 1024, cpus: 1 },
        { id: 1, pages: 512, online: false, lineNs: 300 },
      ],
      sysctl: { demotion_enabled: true, thp_order: 2 },
    },
    [nodePrivate(), driver, diskSwap({ pages: 4096 })],
  );
  const task = machine.createTask('task');
  task.mmap(0, Math.max(1, pages), undefined, extra);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  return { machine, driver, task };
}

function check({ machine }: Plugged): void {
  machine.verify();
  const { lostPages, staleReads, leakedPages } = machine.engine.shadow.counts;
  const leaked = machine.stats()['isolation.leaked_allocations'];
  expect([lostPages, staleReads, leakedPages, leaked]).toEqual([0, 0, 0, 0]);
}

function nodesOf({ task }: Plugged, start: number, pages: number): number[] {
  return task.where(Array.from({ length: pages }, (_, at) => start + at));
}

test('a range moves in when its user says so, and is used in place', () => {
  const it = plugged(8);
  expect(it.driver.migrateToDevice(it.task.mm, 2, 4)).toEqual({ rc: 0, moved: 4, left: 0 });
  it.machine.spend();
  expect(nodesOf(it, 0, 8)).toEqual([0, 0, 1, 1, 1, 1, 0, 0]);
  const faults = it.machine.stats()['fault.minor'];
  for (let vpn = 0; vpn < 8; vpn++) it.task.write(vpn);
  expect(it.machine.stats()['fault.minor']).toBe(faults);
  check(it);
  expect(it.driver.migrateToSystem(it.task.mm, 0, 8)).toEqual({ rc: 0, moved: 4, left: 0 });
  it.machine.spend();
  expect(nodesOf(it, 0, 8)).toEqual([0, 0, 0, 0, 0, 0, 0, 0]);
  for (let vpn = 0; vpn < 8; vpn++) it.task.read(vpn);
  const { 'device_coherent.departed': departed, 'device_coherent.freed': freed } =
    it.machine.stats();
  expect([departed, freed]).toEqual([4, 4]);
  check(it);
});

test('move_pages works both ways too, as the driver opted in to migration', () => {
  const it = plugged(4);
  expect(it.task.movePages([0, 1], 1)).toEqual({ rc: 0, status: [1, 1] });
  expect(nodesOf(it, 0, 4)).toEqual([1, 1, 0, 0]);
  expect(it.task.movePages([0, 1], 0)).toEqual({ rc: 0, status: [0, 0] });
  check(it);
});

test('nothing comes in by itself: not by faults, not by demotion, not under pressure', () => {
  const it = plugged(1500);
  expect([it.machine.usedPages(1), it.machine.stats()['migrate.demoted']]).toEqual([0, 0]);
  expect(it.machine.stats()['swap.out']).toBeGreaterThan(0);
  check(it);
});

test('pages on the device are neither reclaimed nor paged out', () => {
  const it = plugged(300);
  expect(it.driver.migrateToDevice(it.task.mm, 0, 300)).toMatchObject({ moved: 300 });
  it.task.madvise(0, 300, MADV_PAGEOUT);
  it.task.mmap(4096, 1200);
  for (let vpn = 4096; vpn < 5296; vpn++) it.task.write(vpn);
  expect([...new Set(nodesOf(it, 0, 300))]).toEqual([1]);
  check(it);
});

test('fork shares in place and a write copies to RAM', () => {
  const it = plugged(2);
  it.driver.migrateToDevice(it.task.mm, 0, 2);
  const child = it.task.fork('child');
  if (!(child instanceof Task)) throw new Error('fork');
  child.write(0);
  expect([nodesOf(it, 0, 2), child.where([0, 1])]).toEqual([
    [1, 1],
    [0, 1],
  ]);
  expect(it.driver.migrateToSystem(child.mm, 0, 2)).toMatchObject({ moved: 1 });
  expect(nodesOf(it, 0, 2)).toEqual([1, 0]);
  child.exit();
  it.task.exit();
  expect(it.machine.usedPages(1)).toBe(0);
  check(it);
});

test('large folios move whole', () => {
  const it = plugged(16, VM_HUGEPAGE);
  expect(it.driver.migrateToDevice(it.task.mm, 5, 1)).toEqual({ rc: 0, moved: 4, left: 0 });
  expect(nodesOf(it, 0, 12)).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 0, 0, 0, 0]);
  check(it);
});

test('what finds no room or is pinned stays and is told', () => {
  const it = plugged(600);
  const pinned = it.task.pinLongterm(0);
  const { rc, moved, left } = it.driver.migrateToDevice(it.task.mm, 0, 600);
  expect([rc, moved > 400, moved + left, nodesOf(it, 0, 1)]).toEqual([0, true, 600, [0]]);
  it.task.unpin(pinned);
  check(it);
});

test('a full device makes room of what nobody uses, if it is told to', () => {
  const found = (['stay', 'evict'] as const).map((whenFull) => {
    const driver = deviceCoherent({ nid: 1, whenFull });
    const nodes = [
      { id: 0, pages: 2048, cpus: 1 },
      { id: 1, pages: 512, online: false, lineNs: 300 },
    ];
    const machine = createMachine({ seed: 1, nodes }, [nodePrivate(), driver]);
    const [first, second] = ['first', 'second'].map((name) => {
      const task = machine.createTask(name);
      task.mmap(0, 400);
      for (let vpn = 0; vpn < 400; vpn++) task.write(vpn);
      return task;
    });
    if (first === undefined || second === undefined) throw new Error('two tasks');
    driver.migrateToDevice(first.mm, 0, 400);
    // A hundred cold pages go at once; then what is used has to be used again to stay.
    driver.migrateToDevice(second.mm, 0, 100);
    for (let vpn = 0; vpn < 100; vpn++) first.read(vpn);
    driver.migrateToDevice(second.mm, 100, 200);
    machine.spend();
    const there = (task: Task, start: number, pages: number): number => {
      return nodesOf({ machine, driver, task }, start, pages).filter((nid) => nid === 1).length;
    };
    check({ machine, driver, task: first });
    const { 'device_coherent.evicted': evicted } = machine.stats();
    return { hot: there(first, 0, 100), came: there(second, 0, 300), evicted };
  });
  expect(found[0]).toMatchObject({ hot: 100, evicted: 0 });
  expect(found[0]?.came).toBeLessThan(300);
  // All but what the allocator keeps back, in place of what was cold.
  expect(found[1]?.came).toBeGreaterThan(290);
  expect(found[1]?.hot).toBeGreaterThan(80);
});

test('a long-term pin takes a page off the device first', () => {
  const it = plugged(1);
  it.driver.migrateToDevice(it.task.mm, 0, 1);
  const pinned = it.task.pinLongterm(0);
  expect([pinned >= 0, nodesOf(it, 0, 1)]).toEqual([true, [0]]);
  it.task.unpin(pinned);
  check(it);
});

test('bad ranges and nodes are refused', () => {
  const it = plugged(2);
  const { mm } = it.task;
  const answers = [
    it.driver.migrateToDevice(mm, 0, 0).rc,
    it.driver.migrateToDevice(mm, 0, 3).rc,
    it.driver.migrateToSystem(mm, -1, 1).rc,
  ];
  expect(answers).toEqual([-EINVAL, -EFAULT, -EINVAL]);
  it.machine.remove();
  expect(it.driver.migrateToDevice(mm, 0, 2).rc).toBe(-ENODEV);
  const nodes = [{ id: 0, pages: 1024, cpus: 1 }];
  const plugins = [nodePrivate(), deviceCoherent({ nid: 0 })];
  expect(() => createMachine({ seed: 1, nodes }, plugins)).toThrow(/device-coherent.*EBUSY/);
});

test('removal brings everything back, or says that it can’t', () => {
  const it = plugged(200);
  it.driver.migrateToDevice(it.task.mm, 0, 200);
  it.machine.remove();
  expect([...new Set(nodesOf(it, 0, 200))]).toEqual([0]);
  expect(it.machine.nodes.pgdat(1).managedPages()).toBe(0);
  check(it);
  const pinned = plugged(4);
  pinned.driver.migrateToDevice(pinned.task.mm, 0, 4);
  const held = pinned.machine.ptes.value[pinned.machine.ptes.find(pinned.task.mm.id, 0)]!;
  pinned.machine.folios.get(held);
  expect(() => pinned.machine.remove()).toThrow(MmError);
  pinned.machine.folios.put(held);
  check(pinned);
});
