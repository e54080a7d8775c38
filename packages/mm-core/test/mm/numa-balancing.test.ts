import { expect, test } from 'vitest';
import { MADV_DONTNEED, type Machine, PROT_NONE, type Task } from '../../src/index.js';
import { entryOf, machineOf } from '../machine-of.js';

const PAGES = 64;
const MS = 1_000_000;

/** A fast node with the CPU and a slow one behind it. */
function tiered(mode: number): { machine: Machine; task: Task } {
  const machine = machineOf({
    nodes: [
      { id: 0, pages: 4096, cpus: 1 },
      { id: 1, pages: 4096, lineNs: 500 },
    ],
    sysctl: { numa_balancing: mode, numa_balancing_scan_delay_ms: 20 },
  });
  const task = machine.createTask('t');
  task.mmap(0, PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  task.movePages(
    Array.from({ length: PAGES }, (_, at) => at),
    1,
  );
  machine.folios.lruAddDrainAll();
  return { machine, task };
}

/** The task runs for a while, storing to every page now and then. */
function run(machine: Machine, task: Task, ms: number): void {
  const end = machine.clock.now + ms * MS;
  while (machine.clock.now < end) {
    for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
    machine.clock.advance(Math.min(5 * MS, Math.max(0, end - machine.clock.now)));
  }
}

function nodesOf(task: Task): number[] {
  const where = task.where(Array.from({ length: PAGES }, (_, at) => at));
  return [...new Set(where)];
}

test('hot pages of slow memory are promoted, each by one hint fault and one for the store', () => {
  const { machine, task } = tiered(2);
  const faults = task.struct.minFlt;
  run(machine, task, 2000);
  const { numa_hint_faults, numa_pages_migrated, pgpromote_success } = machine.vmstat();
  expect({
    nodes: nodesOf(task),
    faults: task.struct.minFlt - faults,
    numa_hint_faults,
    numa_pages_migrated,
    pgpromote_success,
  }).toEqual({
    nodes: [0],
    faults: 2 * PAGES,
    numa_hint_faults: PAGES,
    numa_pages_migrated: PAGES,
    pgpromote_success: PAGES,
  });
  machine.verify();
});

test('nothing moves while nobody runs, and pages accessed long after their scan are cold', () => {
  const { machine, task } = tiered(2);
  machine.sleep(3000 * MS);
  const idle = machine.vmstat().numa_pte_updates;
  const marked = machine.numaScan.scanAll(task.struct);
  const entry = entryOf(machine, task, 0);
  machine.verify();
  machine.sleep(1500 * MS);
  for (let vpn = 0; vpn < PAGES; vpn++) task.read(vpn);
  expect({ idle, marked, entry, nodes: nodesOf(task), after: entryOf(machine, task, 0) }).toEqual({
    idle: 0,
    marked: PAGES,
    entry: 'protnone dirty exclusive @1',
    nodes: [1],
    after: 'rw dirty exclusive @1',
  });
  machine.verify();
});

test('pages that are of no use to look at are not scanned', () => {
  const { machine, task } = tiered(2);
  const pfn = task.pinLongterm(0);
  task.madvise(1, 1, MADV_DONTNEED);
  task.write(1);
  task.read(2);
  task.mprotect(3, 1, PROT_NONE);
  expect(machine.numaScan.scanAll(task.struct)).toBe(PAGES - 3);
  task.unpin(pfn);
  machine.verify();
});

test('a huge page of which a part is unmapped is promoted in its pages', () => {
  const machine = machineOf({
    nodes: [
      { id: 0, pages: 4096, cpus: 1 },
      { id: 1, pages: 4096, lineNs: 500 },
    ],
    sysctl: { numa_balancing: 2, numa_balancing_scan_delay_ms: 20, thp_enabled: 'always' },
  });
  const task = machine.createTask('t');
  const pages = 512;
  task.mmap(0, pages);
  task.write(0);
  task.movePages([0], 1);
  task.madvise(100, 200, MADV_DONTNEED);
  const mapped = Array.from({ length: 64 }, (_, at) => at);
  expect(new Set(task.where(mapped))).toEqual(new Set([1]));
  run(machine, task, 2000);
  expect(new Set(task.where(mapped))).toEqual(new Set([0]));
  // A page that nobody maps is freed when it is tried, and counts as moved (migrate_folio_unmap).
  expect(machine.vmstat().numa_pages_migrated).toBe(pages);
  machine.verify();
});
