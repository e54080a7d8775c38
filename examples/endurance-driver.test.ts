import { createMachine, type Machine } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { expect, test } from 'vitest';
import { enduranceDriver } from './endurance-driver.ts';

const DRAM = 1024;

function machineWith(erasesMax: number): Machine {
  return createMachine(
    {
      seed: 1,
      nodes: [
        { id: 0, pages: DRAM, cpus: 1 },
        { id: 1, pages: 2048, online: false, lineNs: 300 },
      ],
      sysctl: { demotion_enabled: true },
    },
    [nodePrivate(), enduranceDriver({ nid: 1, erasesMax })],
  );
}

test('cold pages go to the part, a page given up is an erase, remove takes all back', () => {
  const machine = machineWith(10_000);
  const task = machine.createTask('writer');
  task.mmap(0, 1500);
  for (let vpn = 0; vpn < 1500; vpn++) expect(task.write(vpn)).toBe('ok');
  machine.verify();
  const there = machine.usedPages(1);
  expect(there).toBeGreaterThan(400);
  task.munmap(0, 1200);
  machine.verify();
  expect(machine.stats()['endurance.erases']).toBe(there - machine.usedPages(1));
  machine.remove();
  machine.verify();
  expect(machine.usedPages(1)).toBe(0);
});

test('a part whose budget is spent takes nothing in', () => {
  const machine = machineWith(0);
  const task = machine.createTask('writer');
  task.mmap(0, 900);
  for (let vpn = 0; vpn < 900; vpn++) task.write(vpn);
  machine.verify();
  expect(machine.stats()['migrate.demoted']).toBe(0);
});
