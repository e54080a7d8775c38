import {
  PG_anon_exclusive,
  PG_locked,
  PG_lru,
  PG_pinned,
  PTE_PRESENT,
  PTE_TYPE_SHIFT,
  PTE_UNADDRESSABLE,
  PTE_WRITE,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import {
  type Dmirror,
  MIGRATE_VMA_SELECT_COMPOUND,
  MIGRATE_VMA_SELECT_SYSTEM,
  migratePfnToPage,
  migrateVmaArgs,
} from '../src/index.js';
import { auditCollected } from './support/audit-devices.js';
import { HmmProgram } from './support/hmm-program.js';
import { toyMachine } from './support/toy-driver.js';

// Each test breaks one invariant of device memory on purpose: the check that the random programs
// run has to see it, and sees nothing before.

const UNIT_PRIVATE = 0;

interface Moved {
  readonly program: HmmProgram;
  readonly handle: Dmirror;
  /** A device page that the program maps at `slot`. */
  readonly pfn: number;
  readonly slot: number;
}

/** A program with eight pages on the private device, found to be in order. */
function moved(seed = 1, pages = 8): Moved {
  const program = new HmmProgram(seed);
  const { machine, task, start } = program;
  const handle = program.plugin.open(UNIT_PRIVATE, task.mm);
  for (let vpn = start; vpn < start + pages; vpn++) task.write(vpn);
  handle.migrateToDevice(start, start + pages);
  const slot = machine.ptes.find(task.mm.id, start);
  const pfn = machine.ptes.value[slot]!;
  expect(handle.device.owns(pfn), 'the page is on the device').toBe(true);
  program.audit();
  return { program, handle, pfn, slot };
}

test('1: a device folio on an LRU list', () => {
  const { program, pfn } = moved();
  program.machine.table.set(pfn, PG_lru);
  expect(() => program.audit()).toThrow('on no LRU list');
});

test('2: a free page that its driver does not know of, a page map that counts wrong', () => {
  const { program, handle } = moved();
  handle.device.freed++;
  expect(() => program.audit()).toThrow('the page map counts what is used');
  handle.device.freed--;
  program.audit();
  handle.device.chunks[0]!.pagemap.allocated--;
  expect(() => program.audit()).toThrow('free and used pages are all');
});

test('3: a selected page that is not locked, a migration entry that stays', () => {
  const { program } = moved();
  const { machine, task, parts, start } = program;
  const from = start + 16;
  task.write(from);
  const { mm } = task;
  const args = migrateVmaArgs({
    ...{ mm, start: from, end: from + 1, owner: {}, flags: MIGRATE_VMA_SELECT_SYSTEM },
  });
  program.range = { start: from, end: from + 1 };
  expect(parts.migrateVma.setup(args)).toBe(0);
  program.auditBetween();
  const folio = migratePfnToPage(args.src[0]!);
  machine.table.clear(folio, PG_locked);
  expect(() => program.auditBetween()).toThrow('locked and mapped nowhere');
  machine.table.set(folio, PG_locked);
  program.auditBetween();
  expect(() => program.audit()).toThrow('no migration entry stands between steps');
  parts.migrateVma.finalize(args);
  program.audit();
});

test('4: a page that is lost, a page that is freed twice', () => {
  const { program, pfn } = moved();
  const { folios } = program.machine;
  folios.get(pfn);
  expect(() => program.audit()).toThrow(`folio ${pfn}: 2 references, 1 holders`);
  folios.put(pfn);
  program.audit();
  expect(() => folios.put(pfn)).toThrow('a freed device page is mapped nowhere');
});

test('5: a migration that does not copy', () => {
  const wrong = [false, true].map((isBroken) => {
    const { machine, driver, task } = toyMachine();
    task.mmap(0, 16);
    for (let vpn = 0; vpn < 4; vpn++) {
      for (let time = 0; time <= vpn; time++) task.write(vpn);
    }
    if (isBroken) driver.deviceCopy.copy = () => true;
    expect(driver.toDevice(task, 0, 4)).toBe(4);
    // Somebody else gets the frames that they were in.
    for (let vpn = 8; vpn < 16; vpn++) task.write(vpn);
    for (let vpn = 0; vpn < 4; vpn++) task.read(vpn);
    const { lostPages, staleReads } = machine.engine.shadow.counts;
    return lostPages + staleReads;
  });
  expect(wrong[0]).toBe(0);
  expect(wrong[1]).toBeGreaterThan(0);
});

test('6: a present entry of a private page', () => {
  const { program, slot } = moved();
  const { bits } = program.machine.ptes;
  bits[slot] = (bits[slot]! & ~PTE_UNADDRESSABLE & ((1 << PTE_TYPE_SHIFT) - 1)) | PTE_PRESENT;
  expect(() => program.audit()).toThrow('no present entry of private memory');
});

test('7: a write entry, an exclusive page after fork', () => {
  const { program, pfn, slot } = moved();
  const { ptes, table } = program.machine;
  const child = program.task.fork('child');
  if (typeof child === 'number') throw new Error(`errno ${child}`);
  const mms = [program.task.mm, child.mm];
  program.checkForked(mms);
  ptes.bits[slot]! |= PTE_WRITE;
  expect(() => program.checkForked(mms)).toThrow('no write entry survives fork');
  ptes.bits[slot]! &= ~PTE_WRITE;
  program.checkForked(mms);
  table.set(pfn, PG_anon_exclusive);
  expect(() => program.checkForked(mms)).toThrow('nor an exclusive mark');
});

test('8: a pin of a device page', () => {
  const { program, pfn } = moved();
  program.machine.table.set(pfn, PG_pinned);
  expect(() => program.audit()).toThrow('not pinned');
});

test('9: a page map that is given back while one page is held', () => {
  const ordered = moved().program;
  ordered.finish();
  expect(ordered.injected.get('drain')).toBeGreaterThan(0);
  const { program } = moved();
  program.parts.memremap.memunmapPages = () => 0;
  expect(() => program.finish()).toThrow('one page is held');
});

test('10: a migration that changes the rss, or forgets the charge', () => {
  const { program, pfn } = moved();
  const { machine, task } = program;
  task.mm.rss++;
  expect(() => program.audit()).toThrow('rss 11 equals a recount (10)');
  task.mm.rss--;
  program.audit();
  machine.table.memcg[pfn] = 0;
  expect(() => program.audit()).toThrow(/group \d+: \d+ pages, \d+ recounted/);
});

test('11: a split that the driver is not told the end of', () => {
  const splits = ({ machine }: HmmProgram): number | undefined =>
    machine.managed.hookCalls().get('folio_split');
  const ordered = moved(2, 512);
  ordered.handle.migrateToSystem(ordered.program.start, ordered.program.start + 8);
  ordered.program.audit();
  expect(splits(ordered.program)).toBe(512);
  const { program, handle } = moved(2, 512);
  const { managed } = program.machine;
  const tell = managed.folio_managed_split_cb.bind(managed);
  managed.folio_managed_split_cb = (site, orig, fresh) => {
    if (fresh >= 0) tell(site, orig, fresh);
  };
  handle.migrateToSystem(program.start, program.start + 8);
  expect(splits(program)).toBe(511);
  expect(() => program.audit()).toThrow('each page of a split is told once, and the end');
});

test('12: a huge entry that counts as its pages', () => {
  const program = new HmmProgram(2);
  const { task, parts, start } = program;
  for (let vpn = start; vpn < start + 512; vpn++) task.write(vpn);
  const args = migrateVmaArgs({
    ...{ mm: task.mm, start, end: start + 512, owner: {} },
    flags: MIGRATE_VMA_SELECT_SYSTEM | MIGRATE_VMA_SELECT_COMPOUND,
  });
  expect(parts.migrateVma.setup(args)).toBe(0);
  expect(args.cpages).toBe(1);
  auditCollected(args);
  args.cpages = 512;
  expect(() => auditCollected(args)).toThrow('setup counts entries');
  args.cpages = 1;
  parts.migrateVma.finalize(args);
  program.audit();
});
