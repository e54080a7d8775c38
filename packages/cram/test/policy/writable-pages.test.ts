import type { Task } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { writableFraction } from '../../src/index.js';
import { type CramMachine, DEVICE, machineOf } from '../support.js';

const PAGES = 8;
const SETTLE_NS = 10_000_000;

/** A machine with a budget of writable pages, and a task whose pages are on the node. */
function residentOn(budgetPages: number): { lab: CramMachine; task: Task } {
  const lab = machineOf({ plugins: [writableFraction({ budgetPages })] });
  const task = lab.machine.createTask('writer');
  task.mmap(0, PAGES);
  for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
  if (task.movePages([...Array(PAGES).keys()], DEVICE).rc !== 0) throw new Error('none moved');
  return { lab, task };
}

function counts({ machine }: CramMachine): Readonly<Record<string, number | undefined>> {
  const stats = machine.stats();
  return {
    inPlace: stats['cram.writes_in_place'],
    promoted: stats['cram.promotions'],
    writable: stats['cram.writable_pages'],
  };
}

test('what pressure took back is not granted again before the pressure ends', () => {
  const { lab, task } = residentOn(PAGES);
  task.write(0);
  expect(counts(lab)).toEqual({ inPlace: 1, promoted: 0, writable: 1 });
  lab.cram.cram_set_pressure(DEVICE, 1000);
  lab.machine.sleep(SETTLE_NS);
  expect(counts(lab)).toEqual({ inPlace: 1, promoted: 0, writable: 0 });
  task.write(0);
  task.write(1);
  expect(counts(lab)).toEqual({ inPlace: 1, promoted: 2, writable: 0 });
  lab.cram.cram_clear_pressure(DEVICE);
  task.write(2);
  expect(counts(lab)).toEqual({ inPlace: 2, promoted: 2, writable: 1 });
  lab.machine.verify();
});

test('a node that is registered anew begins with its whole budget', () => {
  const { lab, task } = residentOn(1);
  task.write(0);
  expect(counts(lab).writable).toBe(1);
  lab.cram.cram_unregister_private_node(DEVICE);
  task.exit();
  lab.cram.cram_register_private_node(DEVICE, lab.owner, null);
  expect(counts(lab).writable).toBe(0);
  const next = lab.machine.createTask('next');
  next.mmap(0, 1);
  next.write(0);
  next.movePages([0], DEVICE);
  next.write(0);
  expect(counts(lab).writable).toBe(1);
  lab.machine.verify();
});
