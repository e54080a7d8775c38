import { expect, test } from 'vitest';
import { MADV_DONTNEED, type Machine, PG_mlocked } from '../../src/index.js';
import { machineOf, pfnOf } from '../machine-of.js';

const SIZES = '/sys/kernel/mm/transparent_hugepage/hugepages-64kB/enabled';
const FOLIO = 16;

/** A page whose frame is 0, the first of a large folio, on a machine filled with such folios. */
function frameZero(machine: Machine, pages: number) {
  const task = machine.createTask('t');
  task.mmap(0, pages);
  for (let vpn = 0; vpn < pages; vpn += FOLIO) {
    task.write(vpn);
    if (pfnOf(machine, task, vpn) === 0) return { task, first: vpn };
  }
  throw new Error('no page has frame 0');
}

test('the zero page is not the page with frame 0: a folio that lacks it is not locked', () => {
  const machine = machineOf();
  machine.pseudoFiles.write(SIZES, 'always');
  const { task, first } = frameZero(machine, 1024);
  expect(machine.table.order[0]).toBe(4);
  task.madvise(first, 1, MADV_DONTNEED);
  task.read(first);
  task.mlock(first, FOLIO);
  expect(machine.table.has(0, PG_mlocked)).toBe(false);
  machine.verify();
});
