import { expect, test } from 'vitest';
import {
  createMachine,
  EBUSY,
  EHWPOISON,
  ENXIO,
  type Machine,
  type Task,
} from '../../src/index.js';

function machineOf(): { machine: Machine; task: Task; frameOf: (vpn: number) => number } {
  const machine = createMachine({ seed: 1, nodes: [{ id: 0, pages: 2048, cpus: 1 }] }, []);
  const task = machine.createTask('t');
  task.mmap(0, 8);
  for (let vpn = 0; vpn < 8; vpn++) task.write(vpn);
  const frameOf = (vpn: number): number =>
    machine.ptes.value[machine.ptes.find(task.mm.id, vpn)] ?? -1;
  return { machine, task, frameOf };
}

test('a page in use moves, its frame never comes back, and the program does not notice', () => {
  const { machine, task, frameOf } = machineOf();
  const frame = frameOf(3);
  const free = machine.nodes.pgdat(0).freePages();
  expect(machine.softOffline.softOfflinePage(frame)).toBe(0);
  machine.spend();
  machine.verify();
  expect({
    moved: frameOf(3) !== frame,
    read: task.read(3),
    lost: machine.engine.shadow.counts.lostPages,
    free: machine.nodes.pgdat(0).freePages() - free,
    again: machine.softOffline.softOfflinePage(frame),
    failure: machine.memoryFailure.memoryFailure(frame, 0),
  }).toEqual({ moved: true, read: 'ok', lost: 0, free: -1, again: 0, failure: -EHWPOISON });
});

test('a free page is taken off the lists wherever it lies in its block', () => {
  const { machine } = machineOf();
  for (const frame of [2047, 1024, 1537]) {
    expect(machine.softOffline.softOfflinePage(frame)).toBe(0);
    machine.verify();
  }
  expect(machine.memoryFailure.memoryFailure(1300, 0)).toBe(0);
  machine.verify();
  expect([...machine.memoryFailure.poisoned]).toEqual([2047, 1024, 1537, 1300]);
});

test('a pinned page stays, and so does a page that does not exist', () => {
  const { machine, task } = machineOf();
  const pinned = task.pinLongterm(2);
  expect([
    machine.softOffline.softOfflinePage(pinned),
    machine.softOffline.softOfflinePage(1 << 20),
  ]).toEqual([-EBUSY, -ENXIO]);
  machine.verify();
});
