import {
  EINVAL,
  MADV_DONTNEED,
  MADV_PAGEOUT,
  type Machine,
  PG_anon_exclusive,
  PROT_READ,
  PROT_WRITE,
  PTE_WRITE,
  pteMapsPage,
  Task,
  VM_HUGEPAGE,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import {
  MEMORY_DEVICE_COHERENT,
  MIGRATE_PFN_MIGRATE,
  MIGRATE_VMA_SELECT_SYSTEM,
  migratePfnToPage,
} from '../src/index.js';
import { type ToyDriver, toyMachine } from './support/toy-driver.js';

const RW = PROT_READ | PROT_WRITE;

/** One letter per page: w/r device entry in its form, P writable, p readable, . nothing. */
function look({ machine, driver }: Toy, task: Task, start: number, end: number): string {
  let seen = '';
  for (let vpn = start; vpn < end; vpn++) {
    const slot = machine.ptes.find(task.mm.id, vpn);
    const bits = slot < 0 ? 0 : machine.ptes.bits[slot]!;
    const write = (bits & PTE_WRITE) !== 0;
    if (driver.entries.matches(bits)) seen += write ? 'w' : 'r';
    else if (pteMapsPage(bits)) seen += write ? 'P' : 'p';
    else seen += bits === 0 ? '.' : '?';
  }
  return seen;
}

interface Toy {
  readonly machine: Machine;
  readonly driver: ToyDriver;
}

function check({ machine }: Toy): void {
  machine.verify();
  const { lostPages, staleReads, leakedPages } = machine.engine.shadow.counts;
  expect([lostPages, staleReads, leakedPages]).toEqual([0, 0, 0]);
}

function filled(task: Task, pages: number, extra = 0): void {
  task.mmap(0, pages, RW, extra);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
}

test('setup refuses ranges that are empty, outside a vma or of a wrong fault page', () => {
  const { driver, task } = toyMachine();
  task.mmap(10, 10);
  const setup = (start: number, end: number, faultPage = -1) =>
    driver.setup(task.mm.id, start, end, MIGRATE_VMA_SELECT_SYSTEM, faultPage);
  const answers = [setup(10, 10), setup(9, 12), setup(15, 21), setup(10, 11, 3)];
  expect(answers).toEqual([-EINVAL, -EINVAL, -EINVAL, -EINVAL]);
});

test('a hole and the zero page take part and hold no page', () => {
  const toy = toyMachine();
  toy.task.mmap(0, 4);
  toy.task.read(1);
  toy.task.write(2);
  const args = toy.driver.setup(toy.task.mm.id, 0, 4, MIGRATE_VMA_SELECT_SYSTEM, -1);
  if (typeof args === 'number') throw new Error('refused');
  const pages = args.src.map((entry) => (migratePfnToPage(entry) >= 0 ? 'page' : entry));
  expect(pages).toEqual([MIGRATE_PFN_MIGRATE, MIGRATE_PFN_MIGRATE, 'page', MIGRATE_PFN_MIGRATE]);
  expect(args.cpages).toBe(4);
  toy.driver.migrateVma.finalize(args);
  expect(look(toy, toy.task, 0, 4)).toBe('.pP.');
  check(toy);
});

test('pages move out, fault back one by one, and keep what they hold', () => {
  const toy = toyMachine();
  const { driver, task } = toy;
  filled(task, 6);
  expect(driver.toDevice(task, 0, 6)).toBe(6);
  expect(look(toy, task, 0, 6)).toBe('wwwwww');
  expect(task.mm.rss).toBe(6);
  check(toy);
  task.read(1);
  task.write(3);
  expect(look(toy, task, 0, 6)).toBe('wPwPww');
  expect([driver.faults, driver.pgmap?.allocated]).toEqual([2, 4]);
  check(toy);
});

test('what the driver declines is mapped as before', () => {
  const toy = toyMachine();
  filled(toy.task, 6);
  expect(toy.driver.toDevice(toy.task, 0, 6, (at) => at % 2 === 0)).toBe(3);
  expect(look(toy, toy.task, 0, 6)).toBe('wPwPwP');
  for (let vpn = 0; vpn < 6; vpn++) toy.task.read(vpn);
  check(toy);
});

test('fork makes read entries of both sides and ends exclusiveness', () => {
  const toy = toyMachine();
  const { driver, task, machine } = toy;
  filled(task, 3);
  driver.toDevice(task, 0, 3);
  const page = machine.ptes.value[machine.ptes.find(task.mm.id, 0)]!;
  expect(machine.table.has(page, PG_anon_exclusive)).toBe(true);
  const child = task.fork('child');
  if (!(child instanceof Task)) throw new Error('fork');
  expect([look(toy, task, 0, 3), look(toy, child, 0, 3)]).toEqual(['rrr', 'rrr']);
  expect(machine.table.has(page, PG_anon_exclusive)).toBe(false);
  expect([machine.table.refcount[page], machine.table.mapcount[page]]).toEqual([2, 2]);
  check(toy);
  child.read(0);
  expect([look(toy, task, 0, 3), look(toy, child, 0, 3)]).toEqual(['prr', 'prr']);
  child.write(1);
  expect([look(toy, task, 0, 3), look(toy, child, 0, 3)]).toEqual(['ppr', 'pPr']);
  child.exit();
  task.write(2);
  expect(look(toy, task, 0, 3)).toBe('ppP');
  check(toy);
});

test('mprotect takes the write form away and never gives it back', () => {
  const toy = toyMachine();
  filled(toy.task, 2);
  toy.driver.toDevice(toy.task, 0, 2);
  toy.task.mprotect(0, 2, PROT_READ);
  expect(look(toy, toy.task, 0, 2)).toBe('rr');
  toy.task.mprotect(0, 2, RW);
  expect(look(toy, toy.task, 0, 2)).toBe('rr');
  expect(toy.task.write(0)).toBe('ok');
  expect(look(toy, toy.task, 0, 2)).toBe('Pr');
  check(toy);
});

test('mremap takes entries along, and advice passes them by or frees them', () => {
  const toy = toyMachine();
  const { driver, task } = toy;
  filled(task, 4);
  driver.toDevice(task, 0, 4);
  task.mremap(0, 4, 100, 4);
  expect([look(toy, task, 0, 4), look(toy, task, 100, 104)]).toEqual(['....', 'wwww']);
  expect(task.madvise(100, 4, MADV_PAGEOUT)).toBe(0);
  expect(look(toy, task, 100, 104)).toBe('wwww');
  expect(task.where([100])).toEqual([-2]);
  check(toy);
  task.madvise(100, 2, MADV_DONTNEED);
  expect([look(toy, task, 100, 104), driver.pgmap?.allocated]).toEqual(['..ww', 2]);
  check(toy);
});

test('pinned and locked pages are not picked up, and a pin faults device pages in', () => {
  const toy = toyMachine();
  const { driver, task, machine } = toy;
  filled(task, 3);
  const pinned = task.pinLongterm(0);
  const locked = machine.ptes.value[machine.ptes.find(task.mm.id, 1)]!;
  machine.folios.trylock(locked);
  expect(driver.toDevice(task, 0, 3)).toBe(1);
  expect(look(toy, task, 0, 3)).toBe('PPw');
  machine.folios.unlock(locked);
  task.unpin(pinned);
  const late = task.pinLongterm(2);
  expect([late >= 0, look(toy, task, 0, 3)]).toEqual([true, 'PPP']);
  task.unpin(late);
  check(toy);
});

test('a page that somebody else holds drops out and stays where it was', () => {
  const toy = toyMachine();
  const { driver, task, machine } = toy;
  filled(task, 1);
  const page = machine.ptes.value[machine.ptes.find(task.mm.id, 0)]!;
  machine.folios.get(page);
  expect([driver.toDevice(task, 0, 1), look(toy, task, 0, 1)]).toEqual([0, 'P']);
  machine.folios.put(page);
  expect([driver.toDevice(task, 0, 1), look(toy, task, 0, 1)]).toEqual([1, 'w']);
  check(toy);
});

test('one extra reference of a device page slips through setup and stops phase three', () => {
  const toy = toyMachine();
  const { driver, task, machine } = toy;
  filled(task, 1);
  driver.toDevice(task, 0, 1);
  const page = machine.ptes.value[machine.ptes.find(task.mm.id, 0)]!;
  machine.folios.get(page);
  expect([driver.toRam(task.mm.id, 0, 1), look(toy, task, 0, 1)]).toEqual([0, 'w']);
  machine.folios.put(page);
  expect([driver.toRam(task.mm.id, 0, 1), look(toy, task, 0, 1)]).toEqual([1, 'P']);
  check(toy);
});

test('a large folio is split first', () => {
  const toy = toyMachine(undefined, { thp_order: 2 });
  filled(toy.task, 8, VM_HUGEPAGE);
  expect(toy.driver.toDevice(toy.task, 1, 3)).toBe(2);
  expect(look(toy, toy.task, 0, 8)).toBe('PwwPPPPP');
  for (let vpn = 0; vpn < 8; vpn++) toy.task.read(vpn);
  check(toy);
});

test('another driver’s pages are not selected', () => {
  const toy = toyMachine();
  filled(toy.task, 1);
  toy.driver.toDevice(toy.task, 0, 1);
  Object.assign(toy.driver, { owner: {} });
  expect(toy.driver.toRam(toy.task.mm.id, 0, 1)).toBe(0);
  expect(look(toy, toy.task, 0, 1)).toBe('w');
});

test('coherent pages are mapped like RAM: no fault, never on an LRU, freed to their driver', () => {
  const toy = toyMachine(MEMORY_DEVICE_COHERENT);
  const { driver, task } = toy;
  filled(task, 4);
  expect(driver.toDevice(task, 0, 4)).toBe(4);
  expect(look(toy, task, 0, 4)).toBe('PPPP');
  task.write(0);
  const child = task.fork('child');
  if (!(child instanceof Task)) throw new Error('fork');
  child.write(1);
  expect(driver.faults).toBe(0);
  check(toy);
  expect(driver.toRam(task.mm.id, 0, 2)).toBe(2);
  check(toy);
  child.exit();
  task.exit();
  expect(driver.free.length).toBe(256);
  check(toy);
});
