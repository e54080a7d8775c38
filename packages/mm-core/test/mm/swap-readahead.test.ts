import { expect, test } from 'vitest';
import {
  anonymousVma,
  diskSwap,
  MADV_PAGEOUT,
  type Plugin,
  type Task,
  VM_READ,
  VM_SHARED,
  VM_WRITE,
  zramSwap,
} from '../../src/index.js';
import { counted, machineOf, wrongContents } from '../machine-of.js';

const EVENTS = ['swap_ra', 'swap_ra_hit', 'pswpin', 'pgmajfault'] as const;

/** A program whose pages are all in swap. */
function swapped(plugin: Plugin, pages = 64, start = 0) {
  const machine = machineOf({ plugins: [plugin] });
  const task = machine.createTask('t');
  task.mmap(start, pages);
  for (let vpn = start; vpn < start + pages; vpn++) task.write(vpn);
  task.madvise(start, pages, MADV_PAGEOUT);
  return { machine, task };
}

function read(task: Task, vpns: readonly number[]): void {
  for (const vpn of vpns) task.read(vpn);
}

/** swap_ra of a swapoff of zram, of pages from 0 on. */
function aheadOfSwapoff(pages: number, files: Readonly<Record<string, string>> = {}): number {
  const { machine } = swapped(zramSwap({ pages: 128, codec: 'lz4' }), pages);
  for (const [path, text] of Object.entries(files)) {
    expect(machine.pseudoFiles.write(path, text)).toBe(0);
  }
  expect(machine.swapoff.swapoff()).toBe(0);
  expect([machine.vmstat().pswpin, machine.swap.used()]).toEqual([pages, 0]);
  machine.verify();
  return machine.vmstat().swap_ra ?? -1;
}

test('swapoff reads ahead by address, as 7.3.4 was recorded', () => {
  const CLUSTER = '/proc/sys/vm/page-cluster';
  const found = ['0', '1', '2', '4', '5', '6'].map((text) =>
    aheadOfSwapoff(90, { [CLUSTER]: text }),
  );
  expect(found).toEqual([0, 30, 31, 33, 33, 33]);
});

test('and by slot where areas are not looked at, from a fresh boot', () => {
  const files = { '/sys/kernel/mm/swap/vma_ra_enabled': 'false' };
  expect(aheadOfSwapoff(70, files)).toBe(24);
  expect(aheadOfSwapoff(70, { ...files, '/proc/sys/vm/page-cluster': '5' })).toBe(24);
});

test('a fault reads around it at first: three pages below, four above', () => {
  const { machine, task } = swapped(diskSwap({ pages: 128 }));
  task.read(20);
  expect(counted(machine, ...EVENTS)).toEqual({
    swap_ra: 7,
    swap_ra_hit: 0,
    pswpin: 8,
    pgmajfault: 1,
  });
  read(task, [17, 18, 19, 21, 22, 23, 24]);
  expect(counted(machine, ...EVENTS)).toEqual({
    swap_ra: 7,
    swap_ra_hit: 7,
    pswpin: 8,
    pgmajfault: 1,
  });
  expect(wrongContents(machine)).toBe(0);
  machine.verify();
});

test('a program that goes on reads eight pages with each major fault, ahead of it', () => {
  const { machine, task } = swapped(diskSwap({ pages: 128 }), 64);
  read(task, [...Array(64).keys()]);
  const { pgmajfault = 0, pswpin, swap_ra: ahead = 0, swap_ra_hit: hits } = machine.vmstat();
  expect([pswpin, hits, ahead + pgmajfault]).toEqual([64, ahead, 64]);
  expect(pgmajfault).toBe(9);
});

test('windows shrink by halves where nothing of them is used, and end at one page', () => {
  const { machine, task } = swapped(diskSwap({ pages: 512 }), 400);
  const pages = [50, 100, 150, 200, 250, 300].map((vpn) => {
    const before = machine.vmstat().pswpin ?? 0;
    task.read(vpn);
    return (machine.vmstat().pswpin ?? 0) - before;
  });
  expect(pages).toEqual([8, 4, 2, 1, 1, 1]);
});

test('a window stays in its page table and in its area', () => {
  const { machine, task } = swapped(diskSwap({ pages: 128 }), 20, 505);
  task.read(511);
  expect(counted(machine, 'pswpin')).toEqual({ pswpin: 4 });
  task.read(524);
  expect(counted(machine, 'pswpin')).toEqual({ pswpin: 6 });
});

test('on a disk that turns the window is of slots', () => {
  const { machine, task } = swapped(diskSwap({ pages: 128, rotational: true }));
  task.read(20);
  const slots = [...machine.swap.inUse()]
    .filter((use) => use.folio >= 0)
    .map((use) => use.slot + 1);
  expect(slots.map((offset) => Math.floor(offset / 8))).toEqual(Array(slots.length).fill(2));
  expect(slots.length).toBe(8);
});

test('shared memory is read around its slot, and swapoff is no major fault', () => {
  const machine = machineOf({ plugins: [diskSwap({ pages: 128 })] });
  const task = machine.createTask('t');
  const file = machine.files.create('shmem', 'f', 32 * 4096);
  const shared = { ...anonymousVma(0, 32, VM_READ | VM_WRITE | VM_SHARED), pgoff: 0, file };
  task.mm.replace(0, 32, [shared]);
  for (let vpn = 0; vpn < 32; vpn++) task.write(vpn);
  task.madvise(0, 32, MADV_PAGEOUT);
  task.read(10);
  expect(counted(machine, 'pswpin', 'swap_ra', 'pgmajfault')).toEqual({
    pswpin: 8,
    swap_ra: 7,
    pgmajfault: 1,
  });
  expect(machine.swapoff.swapoff()).toBe(0);
  expect(counted(machine, 'pgmajfault')).toEqual({ pgmajfault: 1 });
  machine.verify();
});

test('nobody waits for what is read ahead: a page of it costs the kernel its part', () => {
  const cost = (cluster: number): number => {
    const { machine, task } = swapped(diskSwap({ pages: 128 }));
    machine.pseudoFiles.write('/proc/sys/vm/page-cluster', String(cluster));
    const before = machine.clock.now;
    task.read(20);
    return machine.clock.now - before;
  };
  const { diskKernel, swapInKernel } = machineOf().cost.ns;
  expect(cost(3) - cost(0)).toBeGreaterThanOrEqual(7 * (diskKernel - swapInKernel));
  expect(cost(3)).toBeLessThan(2 * cost(0));
});
