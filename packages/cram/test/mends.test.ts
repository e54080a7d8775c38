import {
  CGROUP_FOLDER,
  MAP_ANONYMOUS,
  MAP_SHARED,
  type Machine,
  PROT_READ,
  PROT_WRITE,
  type Task,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import type { CramMends } from '../src/index.js';
import { DEVICE, fillDram, machineOf } from './support.js';

const FAULTS_MAX = 500;
const GROUP = `${CGROUP_FOLDER}/g`;

/** The same story as v4 tells it and mended. */
function both<T>(mend: keyof CramMends, story: (mends: CramMends) => T): { v4: T; mended: T } {
  return { v4: story({}), mended: story({ [mend]: 'mended' }) };
}

function written(machine: Machine, name: string, pages: number): Task {
  const task = machine.createTask(name);
  task.mmap(0, pages);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  return task;
}

/** One store; gives up where the kernel would not. */
function storeTo(machine: Machine, task: Task): string {
  let faults = 0;
  machine.tracepoints.mm_fault.on(() => {
    if (++faults > FAULTS_MAX) throw new Error('still faulting');
  });
  try {
    return task.write(0);
  } catch (error) {
    return error instanceof Error ? error.message : 'thrown';
  }
}

test('entryCap: the boost holds demotion back only if the request may not use reserves', () => {
  const there = (mends: CramMends): number => {
    const { machine, cram } = machineOf({ dramPages: 4096, devicePages: 2048, mends });
    machine.pseudoFiles.write(`${CGROUP_FOLDER}/cgroup.subtree_control`, '+memory');
    machine.cgroups.mkdir('g');
    const task = machine.createTask('t');
    machine.pseudoFiles.write(`${GROUP}/cgroup.procs`, String(task.struct.pid));
    task.mmap(0, 3000);
    for (let vpn = 0; vpn < 3000; vpn++) task.write(vpn);
    cram.cram_set_pressure(DEVICE, 500);
    machine.pseudoFiles.write(`${GROUP}/memory.reclaim`, '12M');
    machine.verify();
    return machine.usedPages(DEVICE);
  };
  const told = both('entryCap', there);
  expect(told.v4).toBeGreaterThan(1900);
  expect(told.mended).toBeLessThan(1024);
  expect(told.mended).toBeGreaterThan(900);
});

test('fullDram: a store to the node ends, by a kill, only if its request may kill', () => {
  const story = (mends: CramMends): unknown => {
    const { machine } = machineOf({ dramPages: 256, devicePages: 256, mends });
    const task = written(machine, 't', 8);
    task.movePages([...Array(8).keys()], DEVICE);
    machine.pseudoFiles.write('/sys/kernel/mm/numa/demotion_enabled', '0');
    written(machine, 'hog', 60);
    fillDram(machine);
    machine.work.runAs(task.struct);
    const before = machine.vmstat().pgmigrate_fail;
    const outcome = storeTo(machine, task);
    const failed = machine.vmstat().pgmigrate_fail - before;
    return { outcome, kills: machine.vmstat().oom_kill, failed: failed > 100 };
  };
  expect(both('fullDram', story)).toMatchInlineSnapshot(`
    {
      "mended": {
        "failed": false,
        "kills": 1,
        "outcome": "ok",
      },
      "v4": {
        "failed": true,
        "kills": 0,
        "outcome": "still faulting",
      },
    }
  `);
});

test('fileEntry: shared memory stays out of the node only if files are refused', () => {
  const story = (mends: CramMends): unknown => {
    const { machine } = machineOf({ dramPages: 2048, devicePages: 1024, mends });
    const task = machine.createTask('t');
    const addr = machine.sys.mmap.mmap(task.struct, {
      addr: 0,
      length: 64 * 4096,
      prot: PROT_READ | PROT_WRITE,
      flags: MAP_SHARED | MAP_ANONYMOUS,
    });
    const first = addr / 4096;
    for (let vpn = first; vpn < first + 64; vpn++) task.write(vpn);
    machine.folios.lruAddDrainAll();
    const vpns = Array.from({ length: 64 }, (_, at) => first + at);
    const { rc } = task.movePages(vpns, DEVICE);
    machine.verify();
    const there = machine.usedPages(DEVICE);
    return { rc, there, refused: machine.stats()['cram.refused_files'] };
  };
  expect(both('fileEntry', story)).toEqual({
    v4: { rc: 0, there: 64, refused: 0 },
    mended: { rc: 64, there: 0, refused: 64 },
  });
});
