import type { Machine } from '@mm-lab/mm-core';
import { type FuzzOptions, fuzzMachine } from '../fuzz/fuzz-machine.js';
import { auditMachine } from '../fuzz/invariants.js';
import {
  type DriverCheck,
  type DriverFault,
  type DriverUnderTest,
  machineWith,
  privateNodes,
  settle,
  usedPages,
} from './driver-under-test.js';
import { expectEqual, expectHolds } from './expect.js';
import { leakSearch } from './isolation.js';
import { obligationMistakes } from './obligations.js';
import { withoutOutsideWorld } from './outside-world.js';
import { placedPages, readAll, thinOut, writeUntilPlaced } from './placement.js';

const STEPS = 300;
/** Seed of the run that is kept from clock and chance. */
const CLOSED_SEED = 78;
const SEEDS = [1, 2, 3, 4, 5, 6, 7, 8] as const;

/** What the kit asks of every driver; each check builds its own machines. */
export function driverChecks(driver: DriverUnderTest): readonly DriverCheck[] {
  return [
    { name: 'probe leaves a sound machine', run: () => auditMachine(machineWith(driver)) },
    {
      name: 'opts in to what it has callbacks for, and has the callbacks it opts in to',
      run: () => expectEqual(obligationMistakes(machineWith(driver)), [], 'flags and callbacks'),
    },
    { name: 'takes its memory in: a program too large for DRAM uses it', run: () => uses(driver) },
    { name: 'keeps contents through its memory and back', run: () => roundTrip(driver) },
    {
      name: 'keeps contents of large folios, whole or split',
      run: () => roundTrip({ ...driver, sysctl: { ...driver.sysctl, thp_order: 2 } }),
    },
    { name: 'gives everything back when programs end', run: () => givesBack(driver) },
    { name: 'remove undoes probe', run: () => removes(driver) },
    { name: 'remove with a live program loses nothing', run: () => removesLive(driver) },
    { name: 'nothing that did not ask lands on its memory', run: () => isolates(driver) },
    { name: 'two machines share nothing', run: () => sharesNothing(driver) },
    { name: 'time and chance come from the machine alone', run: () => isClosed(driver) },
    ...(driver.seeds ?? SEEDS).map((seed) => ({
      name: `fuzz seed ${seed}: nothing is lost, stale, leaked or out of balance`,
      run: () => void fuzzMachine(fuzzOptions(driver, seed)),
    })),
    ...(driver.faults ?? []).map((fault) => ({
      name: `survives ${fault.name}`,
      run: () => survives(driver, fault),
    })),
  ];
}

function fuzzOptions(driver: DriverUnderTest, seed: number): FuzzOptions {
  return {
    seed,
    steps: driver.steps ?? STEPS,
    nodes: driver.nodes,
    plugins: driver.plugins(),
    sysctl: { demotion_enabled: true, ...driver.sysctl },
    ...(driver.operations === undefined ? {} : { operations: driver.operations }),
    ...(driver.mayLose === undefined ? {} : { mayLose: driver.mayLose }),
  };
}

function uses(driver: DriverUnderTest): void {
  const machine = machineWith(driver);
  const task = machine.createTask('large');
  writeUntilPlaced(machine, task);
  expectHolds(placedPages(machine) > 0, 'pages of the program are on the driver’s memory');
  auditMachine(machine);
}

function roundTrip(driver: DriverUnderTest): void {
  const machine = machineWith(driver);
  const task = machine.createTask('large');
  const pages = writeUntilPlaced(machine, task);
  readAll(task, Array(pages).keys());
  for (let vpn = 0; vpn < pages; vpn += 3) task.write(vpn);
  readAll(task, Array(pages).keys());
  const { lostPages, staleReads, leakedPages } = machine.engine.shadow.counts;
  expectEqual([staleReads, leakedPages], [0, 0], 'stale and leaked reads');
  if (driver.mayLose !== true) expectEqual(lostPages, 0, 'lost pages');
  auditMachine(machine);
}

function givesBack(driver: DriverUnderTest): void {
  const machine = machineWith(driver);
  settle(machine);
  const before = usedPages(machine);
  for (let round = 0; round < 3; round++) {
    const task = machine.createTask(`round ${round}`);
    writeUntilPlaced(machine, task);
    task.exit();
    settle(machine);
  }
  expectEqual(usedPages(machine), before, 'pages in use by node');
  auditMachine(machine);
}

function removes(driver: DriverUnderTest): void {
  const machine = machineWith(driver);
  const task = machine.createTask('large');
  writeUntilPlaced(machine, task);
  task.exit();
  settle(machine);
  machine.remove();
  settle(machine);
  auditMachine(machine);
  expectEqual(ownedPages(machine), 0, 'pages that still have an owner');
  expectEqual(privateNodes(machine), [], 'nodes that are still private');
}

function removesLive(driver: DriverUnderTest): void {
  const machine = machineWith(driver);
  const task = machine.createTask('large');
  const left = thinOut(task, writeUntilPlaced(machine, task));
  machine.remove();
  settle(machine);
  auditMachine(machine);
  readAll(task, left);
  const { lostPages, staleReads, leakedPages } = machine.engine.shadow.counts;
  expectEqual([staleReads, leakedPages], [0, 0], 'stale and leaked reads');
  if (driver.mayLose !== true) expectEqual(lostPages, 0, 'lost pages');
}

function isolates(driver: DriverUnderTest): void {
  const leak = leakSearch(() => machineWith(driver), { rounds: 3, requests: 400 });
  expectEqual(leak, null, 'a leaked allocation');
}

function sharesNothing(driver: DriverUnderTest): void {
  const alone = JSON.stringify(exercised(driver).stats());
  const again = JSON.stringify(exercised(driver).stats());
  expectHolds(again === alone, 'a second machine ends with the figures of the first');
}

function isClosed(driver: DriverUnderTest): void {
  withoutOutsideWorld(() => {
    exercised(driver);
    fuzzMachine(fuzzOptions(driver, CLOSED_SEED));
  });
}

/** A machine on which a program has filled the driver's memory, read it back and ended. */
function exercised(driver: DriverUnderTest): Machine {
  const machine = machineWith(driver);
  const task = machine.createTask('large');
  readAll(task, Array(writeUntilPlaced(machine, task)).keys());
  task.exit();
  settle(machine);
  return machine;
}

function survives(driver: DriverUnderTest, fault: DriverFault): void {
  for (const seed of (driver.seeds ?? SEEDS).slice(0, 4)) {
    const mayLose = fault.mayLose ?? driver.mayLose ?? false;
    fuzzMachine({ ...fuzzOptions(driver, seed), plugins: fault.plugins(), mayLose });
  }
}

function ownedPages(machine: Machine): number {
  let owned = 0;
  for (let pfn = 0; pfn < machine.table.pages; pfn++) {
    if (machine.managed.ownerOf(pfn) !== null) owned++;
  }
  return owned;
}
