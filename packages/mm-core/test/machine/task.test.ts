import { expect, test } from 'vitest';
import type { Machine } from '../../src/index.js';
import { machineOf } from '../machine-of.js';

const nodes = [
  { id: 0, pages: 1024, cpus: 1 },
  { id: 1, pages: 1024, cpus: 1 },
];

/** Pages in the lists of each CPU, of all zones of a node. */
function stocksOf(machine: Machine, nid: number): number[] {
  return [0, 1].map((cpu) => {
    return machine.nodes.pgdat(nid).zones.reduce((sum, zone) => sum + zone.pcp(cpu).count, 0);
  });
}

test('a task that exits frees its pages on its own CPU, whoever ran before', () => {
  const machine = machineOf({ nodes });
  const other = machine.createTask('other', 0);
  const task = machine.createTask('t', 1);
  task.mmap(0, 10);
  for (let vpn = 0; vpn < 10; vpn++) task.write(vpn);
  machine.folios.lruAddDrainAll();
  other.mmap(0, 1);
  other.write(0);
  const before = stocksOf(machine, 1);
  task.exit();
  const [onOther, onOwn] = stocksOf(machine, 1).map((count, cpu) => count - before[cpu]!);
  expect({ onOther, onOwn }).toEqual({ onOther: 0, onOwn: 10 });
  expect(machine.work.current).toBe(other.struct);
  other.exit();
  expect(machine.work.current).toBeNull();
  machine.verify();
});

test('an event that comes while a task runs leaves it on its CPU', () => {
  const machine = machineOf({ nodes });
  const task = machine.createTask('t', 1);
  task.mmap(0, 1);
  task.write(0);
  machine.clock.after(1, () => {
    machine.work.cpuNid = 0;
  });
  machine.clock.advance(10);
  expect(machine.work.cpuNid).toBe(1);
});
