import { expect, test } from 'vitest';
import { ZONE_NORMAL } from '../../src/index.js';
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

test('what the last CPU has in stock at the start is free, but no other CPU gets it', () => {
  const left = (stocked: number): unknown => {
    const zone = { type: ZONE_NORMAL, startPfn: 0, spanned: 32768, free: 32000, stocked };
    const machine = machineOf({
      nodes: [
        { id: 0, pages: 0, cpus: 2, zones: [zone] },
        { id: 1, pages: 32768 },
      ],
    });
    const { freePages, pcpPages } = machine.nodes.zone(0, ZONE_NORMAL);
    const task = machine.createTask('t');
    task.mmap(0, 33000);
    for (let vpn = 0; vpn < 33000; vpn++) task.write(vpn);
    machine.verify();
    const elsewhere = 32768 - machine.nodes.zone(1, ZONE_NORMAL).freePages;
    return { freePages, pcpPages, elsewhere };
  };
  expect([left(0), left(3000)]).toMatchInlineSnapshot(`
    [
      {
        "elsewhere": 1561,
        "freePages": 32000,
        "pcpPages": 0,
      },
      {
        "elsewhere": 4473,
        "freePages": 29000,
        "pcpPages": 3000,
      },
    ]
  `);
});
