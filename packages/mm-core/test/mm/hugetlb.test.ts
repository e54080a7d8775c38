import { describe, expect, test } from 'vitest';
import {
  EINVAL,
  ENOMEM,
  MADV_DONTNEED,
  MADV_HWPOISON,
  MADV_REMOVE,
  MAP_NORESERVE,
  MAP_PRIVATE,
  MAP_SHARED,
  type Machine,
  MMU_NOTIFY_CLEAR,
  MMU_NOTIFY_UNMAP,
  MmuIntervalNotifier,
  type MmuNotifierRange,
  type MmuNotifiers,
  MmuNotifiersToken,
  MPOL_BIND,
  MPOL_MF_MOVE,
  MPOL_MF_MOVE_ALL,
  Prng,
  type Task,
} from '../../src/index.js';
import { poolCounts as counts, HUGE, mapHuge as map, setPool, twoNodes } from '../hugetlb-pool.js';
import { machineOf, wrongContents } from '../machine-of.js';

const HUGE_WORDS = ['file=/anon_hugepage\\040(deleted)', 'huge', 'anon=1', 'dirty=1'];

describe('the pool of huge pages', () => {
  test('a private page that is thrown away reads as zeroes, and nothing counts as lost', () => {
    const machine = twoNodes();
    setPool(machine, 0, 2);
    const task = machine.createTask('t');
    const addr = map(machine, task, 1 << 30, 1, MAP_PRIVATE);
    expect(task.write(addr / 4096 + 7)).toBe('ok');
    expect(machine.sys.madvise.madvise(task.struct, addr, HUGE, MADV_DONTNEED)).toBe(0);
    expect(task.read(addr / 4096 + 7)).toBe('ok');
    expect(wrongContents(machine)).toBe(0);
    machine.verify();
  });

  test('promises what it has and no more, and has it back at unmap', () => {
    const machine = twoNodes();
    setPool(machine, 1, 3);
    const task = machine.createTask('t');
    expect(map(machine, task, 1 << 30, 4, MAP_PRIVATE)).toBe(-ENOMEM);
    const addr = map(machine, task, 1 << 30, 2, MAP_PRIVATE);
    expect(map(machine, task, 2 << 30, 2, MAP_PRIVATE)).toBe(-ENOMEM);
    expect(task.write(addr / 4096)).toBe('ok');
    expect(counts(machine)).toBe('0/0/0 3/2/0');
    machine.sys.munmap.munmap(task.struct, addr, 2 * HUGE);
    expect(counts(machine)).toBe('0/0/0 3/3/0');
    expect(map(machine, task, 2 << 30, 3, MAP_PRIVATE)).toBeGreaterThan(0);
    machine.verify();
  });

  test('a size for all nodes goes on after the node whose turn was last, round them', () => {
    const machine = twoNodes();
    const setAll = (count: number): string => {
      machine.pseudoFiles.write('/proc/sys/vm/nr_hugepages', String(count));
      return counts(machine);
    };
    expect([setAll(3), setAll(2)]).toEqual(['2/2/0 1/1/0', '1/1/0 1/1/0']);
    setPool(machine, 1, 2);
    // One node alone has its turn again and again.
    expect([setAll(4), setAll(3), setAll(1)]).toEqual([
      '1/1/0 3/3/0',
      '1/1/0 2/2/0',
      '0/0/0 1/1/0',
    ]);
  });

  test('a node in use is sized without its surplus', () => {
    const machine = twoNodes();
    setPool(machine, 0, 2);
    const task = machine.createTask('t');
    const addr = map(machine, task, 1 << 30, 2, MAP_PRIVATE);
    task.write(addr / 4096);
    task.write(addr / 4096 + 512);
    setPool(machine, 0, 0);
    expect(counts(machine)).toBe('2/0/2 0/0/0');
    // The sysctl tells what was asked for and had, sysfs what there is.
    const sizes = ['/proc/sys/vm/', '/sys/kernel/mm/hugepages/hugepages-2048kB/'];
    expect(sizes.map((at) => machine.pseudoFiles.read(`${at}nr_hugepages`))).toEqual(['0', '2']);
    setPool(machine, 0, 1);
    expect(counts(machine)).toBe('2/0/1 0/0/0');
    setPool(machine, 1, 1);
    expect(counts(machine)).toBe('2/0/1 1/1/0');
    machine.sys.munmap.munmap(task.struct, addr, 2 * HUGE);
    expect(counts(machine)).toBe('1/1/0 1/1/0');
    machine.verify();
  });

  test('surplus pages are made when they are promised, and go with what was promised', () => {
    const machine = twoNodes();
    setPool(machine, 1, 1);
    machine.pseudoFiles.write('/proc/sys/vm/nr_overcommit_hugepages', '2');
    const task = machine.createTask('t');
    expect(map(machine, task, 1 << 30, 4, MAP_PRIVATE)).toBe(-ENOMEM);
    expect(counts(machine)).toBe('0/0/0 1/1/0');
    const addr = map(machine, task, 1 << 30, 3, MAP_PRIVATE);
    expect(counts(machine)).toBe('2/2/2 1/1/0');
    task.write(addr / 4096);
    expect(counts(machine)).toBe('2/1/2 1/1/0');
    machine.sys.munmap.munmap(task.struct, addr + 2 * HUGE, HUGE);
    expect(counts(machine)).toBe('1/0/1 1/1/0');
    machine.sys.munmap.munmap(task.struct, addr, 2 * HUGE);
    expect(counts(machine)).toBe('0/0/0 1/1/0');
    machine.verify();
  });

  test('a policy is for whole pages, and numa_maps and vmstat count huge pages as such', () => {
    const machine = twoNodes();
    setPool(machine, 0, 2);
    setPool(machine, 1, 1);
    const task = machine.createTask('t');
    const addr = map(machine, task, 1 << 30, 2, MAP_PRIVATE);
    task.write(addr / 4096);
    task.write(addr / 4096 + 512);
    const bind = (start: number, len: number): number =>
      machine.sys.mbind.mbind(task.struct, {
        start,
        len,
        mode: MPOL_BIND,
        mask: { nodes: [1], maxnode: 64 },
        flags: MPOL_MF_MOVE,
      });
    expect([bind(addr, 4096), bind(addr + 4096, HUGE), bind(addr, HUGE)]).toEqual([
      -EINVAL,
      -EINVAL,
      0,
    ]);
    expect(machine.numaMaps.lines(task.struct).map((line) => line.split(' ').slice(1))).toEqual([
      ['bind:1', ...HUGE_WORDS, 'N1=1', 'kernelpagesize_kB=2048'],
      ['default', ...HUGE_WORDS, 'N0=1', 'kernelpagesize_kB=2048'],
    ]);
    const { pgmigrate_success: pages, thp_migration_success: thps } = machine.vmstat();
    expect([pages, thps]).toEqual([512, 0]);
    machine.verify();
  });

  test('a migrated page takes its place in the books along', () => {
    const machine = twoNodes();
    setPool(machine, 0, 1);
    const task = machine.createTask('t');
    const addr = map(machine, task, 1 << 30, 1, MAP_PRIVATE);
    task.write(addr / 4096);
    const moved = machine.sys.movePages.movePages(task.struct, {
      pid: 0,
      count: 1,
      pages: [addr],
      nodes: [1],
      status: 'good',
      flags: MPOL_MF_MOVE,
    });
    expect([moved.rc, ...moved.status, counts(machine)]).toEqual([0, 1, '0/0/0 1/0/0']);
    machine.verify();
  });

  test('a shared page moves with its file, for all who map it', () => {
    const machine = twoNodes();
    setPool(machine, 0, 1);
    const task = machine.createTask('t');
    const addr = map(machine, task, 1 << 30, 1, MAP_SHARED);
    task.write(addr / 4096);
    const child = task.fork('child');
    if (typeof child === 'number') throw new Error(`errno ${child}`);
    child.read(addr / 4096);
    const moved = machine.sys.movePages.movePages(task.struct, {
      pid: 0,
      count: 1,
      pages: [addr],
      nodes: [1],
      status: 'good',
      flags: MPOL_MF_MOVE_ALL,
    });
    expect([moved.rc, ...moved.status, counts(machine)]).toEqual([0, 1, '0/0/0 1/0/0']);
    machine.verify();
    machine.sys.munmap.munmap(child.struct, addr, HUGE);
    machine.sys.munmap.munmap(task.struct, addr, HUGE);
    expect(counts(machine)).toBe('0/0/0 1/1/0');
    machine.verify();
  });

  test('a page that finds no room on the other node stays whole where it is', () => {
    const nodes = [
      { id: 0, pages: 16384, cpus: 1 },
      { id: 1, pages: 400 },
    ];
    const machine = machineOf({ nodes });
    setPool(machine, 0, 1);
    const task = machine.createTask('t');
    const vpn = map(machine, task, 1 << 30, 1, MAP_PRIVATE) / 4096;
    task.write(vpn);
    const [from, to] = [0, 1].map((nid) => ({ nodes: [nid], maxnode: 64 }));
    if (from === undefined || to === undefined) throw new Error('no nodes');
    machine.work.runAs(task.struct);
    machine.sys.migratePages.migratePages(task.struct, { pid: 0, from, to });
    expect([task.where([vpn]), task.read(vpn), wrongContents(machine)]).toEqual([[0], 'ok', 0]);
    machine.verify();
  });

  test('a shared page is one for parent and child, and a hole in it reads as zeroes', () => {
    const machine = twoNodes();
    setPool(machine, 0, 2);
    const task = machine.createTask('t');
    const addr = map(machine, task, 1 << 30, 2, MAP_SHARED);
    const vpn = addr / 4096;
    task.write(vpn + 3);
    task.write(vpn + 512);
    const child = task.fork('c');
    if (typeof child === 'number') throw new Error('fork failed');
    child.write(vpn + 3);
    expect([task.read(vpn + 3), wrongContents(machine)]).toEqual(['ok', 0]);
    task.madvise(vpn + 2, 1022, MADV_REMOVE);
    const frames = [vpn + 3, vpn + 512].map((at) => [task.read(at), child.read(at)].join());
    expect([frames, wrongContents(machine)]).toEqual([['ok,ok', 'ok,ok'], 0]);
    machine.verify();
  });

  test('the owner copies at the cost of its child when the pool is empty', () => {
    const machine = twoNodes();
    setPool(machine, 0, 1);
    const task = machine.createTask('t');
    const vpn = map(machine, task, 1 << 30, 1, MAP_PRIVATE) / 4096;
    task.write(vpn);
    const child = task.fork('c');
    if (typeof child === 'number') throw new Error('fork failed');
    expect(child.write(vpn)).toBe('SIGBUS');
    expect([task.write(vpn), child.read(vpn)]).toEqual(['ok', 'SIGBUS']);
    machine.verify();
  });

  test.each([1, 2, 3, 4])('keeps every invariant whatever programs do (%i)', (seed) => {
    const machine = twoNodes();
    const prng = new Prng(seed);
    const tasks = [machine.createTask('t0')];
    for (let step = 0; step < 60; step++) {
      const task = tasks[prng.below(tasks.length)]!;
      const addr = (1 + prng.below(3)) * (1 << 30);
      const vpn = addr / 4096 + 512 * prng.below(3) + prng.below(512);
      const act = prng.below(9);
      if (act === 0) setPool(machine, prng.below(2), prng.below(6));
      else if (act === 1) {
        const kind = prng.below(2) === 0 ? MAP_PRIVATE : MAP_SHARED;
        map(machine, task, addr, 1 + prng.below(3), kind | (prng.below(2) * MAP_NORESERVE));
      } else if (act === 2)
        machine.sys.munmap.munmap(task.struct, addr, (1 + prng.below(3)) * HUGE);
      else if (act === 3 && tasks.length < 4) {
        const child = task.fork(`t${tasks.length}`);
        if (typeof child !== 'number') tasks.push(child);
      } else if (act === 4) task.movePages([vpn], prng.below(2));
      else if (act === 5 && tasks.length > 1) tasks.pop()?.exit();
      else if (prng.below(2) === 0) task.write(vpn);
      else task.read(vpn);
      machine.verify();
    }
    for (const task of tasks) task.exit();
    expect(machine.engine.shadow.counts).toMatchObject({ staleReads: 0, lostPages: 0 });
    machine.verify();
  });
});

test('poison takes a page of the pool from whoever maps it, and the pool is smaller by it', () => {
  const machine = twoNodes();
  setPool(machine, 0, 2);
  const task = machine.createTask('t');
  task.struct.onPoison = 'signal';
  const first = map(machine, task, HUGE, 2, MAP_PRIVATE) / 4096;
  for (const vpn of [0, 512]) task.write(first + vpn);
  task.madvise(first + 3, 1, MADV_HWPOISON);
  expect(task.struct.takeSignal()).toEqual({ signal: 'SIGBUS', code: 'MCEERR_AR', lsb: 21 });
  expect([0, 511, 512].map((vpn) => task.read(first + vpn))).toEqual(['SIGBUS', 'SIGBUS', 'ok']);
  expect(counts(machine)).toBe('1/0/0 0/0/0');
  expect(machine.memoryFailure.poisoned.size).toBe(1);
  machine.verify();
  task.exit();
  machine.verify();
});

describe('who mirrors huge pages of the pool', () => {
  /** A machine whose notifiers can be had, with a pool of three pages. */
  function watched(): { machine: Machine; notifiers: MmuNotifiers } {
    const found: MmuNotifiers[] = [];
    const machine = machineOf({
      nodes: [{ id: 0, pages: 16384, cpus: 1 }],
      plugins: [
        {
          name: 'mirror',
          probe: (services) => {
            found.push(services.get(MmuNotifiersToken));
          },
        },
      ],
    });
    setPool(machine, 0, 3);
    return { machine, notifiers: found[0]! };
  }

  function childOf(task: Task): Task {
    const child = task.fork('child');
    if (typeof child === 'number') throw new Error(`errno ${child}`);
    return child;
  }

  function listen(notifiers: MmuNotifiers, task: Task): MmuNotifierRange[] {
    const heard: MmuNotifierRange[] = [];
    notifiers.insert(
      new MmuIntervalNotifier(task.mm.id, 0, Infinity, (range) => {
        heard.push(range);
      }),
    );
    return heard;
  }

  test('hears of the whole page when a store copies it and when it is unmapped', () => {
    const { machine, notifiers } = watched();
    const task = machine.createTask('t');
    const addr = map(machine, task, 1 << 30, 1, MAP_PRIVATE);
    const vpn = addr / 4096;
    task.write(vpn);
    const child = childOf(task);
    const heard = listen(notifiers, child);
    expect(child.write(vpn + 9)).toBe('ok');
    const whole = { mmId: child.mm.id, start: vpn, end: vpn + 512, by: null };
    expect(heard).toEqual([{ ...whole, event: MMU_NOTIFY_CLEAR }]);
    machine.sys.munmap.munmap(child.struct, addr, HUGE);
    expect(heard.slice(1)).toEqual([{ ...whole, event: MMU_NOTIFY_UNMAP }]);
    machine.verify();
  });

  test('hears of it when the owner takes the page, and when it is poisoned', () => {
    const { machine, notifiers } = watched();
    setPool(machine, 0, 1);
    const task = machine.createTask('t');
    const addr = map(machine, task, 1 << 30, 1, MAP_PRIVATE);
    const vpn = addr / 4096;
    task.write(vpn);
    const heardByChild = listen(notifiers, childOf(task));
    const heard = listen(notifiers, task);
    expect(task.write(vpn)).toBe('ok');
    expect(heardByChild.map(({ start, end }) => end - start)).toEqual([512]);
    expect(heard).toEqual([]);
    machine.sys.madvise.madvise(task.struct, addr, 4096, MADV_HWPOISON);
    expect(heard.map(({ event }) => event)).toEqual([MMU_NOTIFY_CLEAR]);
    machine.verify();
  });
});
