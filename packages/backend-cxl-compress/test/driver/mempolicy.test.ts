import { type Machine, MPOL_BIND, PAGE_SIZE, type Task } from '@mm-lab/mm-core';
import { type NodePrivateOptions, nodePrivate } from '@mm-lab/node-private';
import { fuzzMachine } from '@mm-lab/testkit';
import { expect, test } from 'vitest';
import { cxlCompressDevice, cxlMempolicy } from '../../src/index.js';
import { DEVICE, deviceMachineOf, PAGES, removalOf } from './device-machine.js';

const USED = 32;

function machineOf(options: NodePrivateOptions = {}) {
  return deviceMachineOf({ drivers: [nodePrivate(options), cxlMempolicy({ nid: DEVICE })] });
}

function bind(machine: Machine, task: Task): number {
  machine.work.runAs(task.struct);
  const range = { start: 0, len: USED * PAGE_SIZE };
  const mask = { nodes: [DEVICE], maxnode: 64 };
  const rc = machine.sys.mbind.mbind(task.struct, { ...range, mode: MPOL_BIND, mask, flags: 0 });
  machine.spend();
  return rc;
}

function faultsOf(machine: Machine, run: () => void): number {
  const faults = (): number => machine.stats()['fault.minor'] ?? 0;
  const before = faults();
  run();
  return faults() - before;
}

function writeAll(task: Task): void {
  for (let vpn = 0; vpn < USED; vpn++) task.write(vpn);
}

test('memory comes from the node for who names it, and for nobody else', () => {
  const { machine, device } = machineOf();
  const other = machine.createTask('other');
  other.mmap(0, USED);
  writeAll(other);
  expect(machine.usedPages(DEVICE)).toBe(0);
  const task = machine.createTask('bound');
  task.mmap(0, USED);
  expect(bind(machine, task)).toBe(0);
  writeAll(task);
  expect(machine.usedPages(DEVICE)).toBe(USED);
  expect(device.storedPages()).toBe(USED);
  machine.verify();
});

test('move_pages goes there, and a store stays there and faults no more', () => {
  const { machine } = machineOf();
  const task = machine.createTask('moved');
  task.mmap(0, USED);
  writeAll(task);
  const { rc } = task.movePages([...Array(USED).keys()], DEVICE);
  const faults = faultsOf(machine, () => writeAll(task));
  expect({ rc, faults, there: machine.usedPages(DEVICE) }).toEqual({
    rc: 0,
    faults: 0,
    there: USED,
  });
  machine.verify();
});

test('removed as posted it strands what is there; with teardown mended all of it leaves', () => {
  const outcomes = (['v4', 'mended'] as const).map((teardown) => {
    const { machine } = machineOf({ teardown });
    const task = machine.createTask('moved');
    task.mmap(0, USED);
    writeAll(task);
    task.movePages([...Array(USED).keys()], DEVICE);
    const refused = removalOf(machine);
    machine.verify();
    return { refused, there: machine.usedPages(DEVICE) };
  });
  expect(outcomes).toEqual([
    { refused: expect.stringContaining('EBUSY'), there: USED },
    { refused: '', there: 0 },
  ]);
});

// `describeDriver` fills DRAM and expects the rest on the driver's memory, which nobody gets here
// without asking; what holds of any driver is fuzzed instead.
test.for([1, 2, 3, 4])('under fuzz nothing is stale, leaked or out of balance, seed %i', (seed) => {
  const report = fuzzMachine({
    seed,
    steps: 150,
    nodes: [
      { id: 0, pages: 400, cpus: 1 },
      { id: DEVICE, pages: PAGES, online: false },
    ],
    plugins: [
      cxlCompressDevice({ logicalPages: PAGES, capacityBytes: PAGES * PAGE_SIZE }),
      nodePrivate(),
      cxlMempolicy({ nid: DEVICE }),
    ],
  });
  expect(report.steps).toBe(150);
});
