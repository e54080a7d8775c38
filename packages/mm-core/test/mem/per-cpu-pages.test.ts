import { expect, test } from 'vitest';
import { machineOf } from '../machine-of.js';

const GIB = 2 ** 18;

test('a CPU stocks up in batches that double until it holds its share', () => {
  const machine = machineOf({ nodes: [{ id: 0, pages: GIB, cpus: 1 }] });
  const zone = machine.nodes.zones[0];
  const task = machine.createTask('t');
  task.mmap(0, 6000);
  const steps: number[] = [];
  for (let vpn = 0; vpn < 6000; vpn++) {
    const before = zone?.freePages ?? 0;
    task.write(vpn);
    const taken = before - (zone?.freePages ?? 0);
    if (taken > 0) steps.push(taken);
  }
  machine.verify();
  expect(steps).toMatchInlineSnapshot(`
    [
      63,
      126,
      252,
      504,
      1008,
      2016,
      2016,
      2016,
    ]
  `);
});

test('pages that come back stay with the CPU up to its limit', () => {
  const machine = machineOf({ nodes: [{ id: 0, pages: GIB, cpus: 1 }] });
  const zone = machine.nodes.zones[0];
  const task = machine.createTask('t');
  task.mmap(0, 6000);
  for (let vpn = 0; vpn < 6000; vpn++) task.write(vpn);
  task.munmap(0, 6000);
  machine.folios.lruAddDrainAll();
  const kept = zone?.pcpPages ?? 0;
  zone?.drainPages();
  machine.verify();
  expect({ kept, drained: zone?.pcpPages, free: zone?.freePages }).toMatchInlineSnapshot(`
    {
      "drained": 0,
      "free": 262144,
      "kept": 8001,
    }
  `);
});
