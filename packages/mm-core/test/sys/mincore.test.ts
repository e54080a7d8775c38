import { expect, test } from 'vitest';
import { MAP_SHARED, type Machine, type Task } from '../../src/index.js';
import { HUGE, mapHuge, setPool, twoNodes } from '../hugetlb-pool.js';

/** Which huge pages are in memory, as mincore says of their first pages. */
function inCore(machine: Machine, task: Task, addr: number, count: number): string {
  const vec: number[] = [];
  expect(machine.sys.mincore.mincore(task.struct, addr, count * HUGE, vec)).toBe(0);
  return Array.from({ length: count }, (_, at) => vec[at * 512]).join(' ');
}

test('the pool’s file is asked only where the gigabyte has no page table', () => {
  const machine = twoNodes();
  setPool(machine, 0, 2);
  const task = machine.createTask('t');
  const addr = mapHuge(machine, task, 1 << 30, 2, MAP_SHARED);
  const child = task.fork('child');
  if (typeof child === 'number') throw new Error(`fork: ${child}`);
  const told = [inCore(machine, task, addr, 2)];
  child.write(addr / 4096 + 512);
  told.push(inCore(machine, task, addr, 2));
  task.write(addr / 4096);
  told.push(inCore(machine, task, addr, 2));
  task.read(addr / 4096 + 512);
  told.push(inCore(machine, task, addr, 2));
  expect(told).toEqual(['0 0', '0 1', '1 0', '1 1']);
});
