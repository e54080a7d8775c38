import { expect, test } from 'vitest';
import type { MachineConfig } from '../../src/index.js';
import { machineOf, twoTiers } from '../machine-of.js';

const PAGES = 64;

/** How many pages a group's reclaim brings to each node, when its cpuset lacks the nearest one. */
function demoted(osrelease: '6.18' | '7.3'): number[] {
  const distances: MachineConfig['distances'] = [
    [10, 17, 25],
    [17, 10, 20],
    [25, 20, 10],
  ];
  const machine = machineOf({
    nodes: [...twoTiers(1024, 1024), { id: 2, pages: 1024, lineNs: 250 }],
    distances,
    sysctl: { demotion_enabled: true, osrelease },
  });
  const files = machine.pseudoFiles;
  const root = '/sys/fs/cgroup';
  files.write(`${root}/cgroup.subtree_control`, '+memory +cpuset', null);
  machine.cgroups.mkdir('g');
  files.write(`${root}/g/cpuset.mems`, '0,2', null);
  const task = machine.createTask('t');
  files.write(`${root}/g/cgroup.procs`, String(task.struct.pid), null);
  task.mmap(0, PAGES);
  const vpns = Array.from({ length: PAGES }, (_, vpn) => vpn);
  for (const vpn of vpns) task.write(vpn);
  files.write(`${root}/g/memory.reclaim`, String(PAGES * 4096), null);
  machine.verify();
  const where = task.where(vpns);
  return [0, 1, 2].map((nid) => where.filter((at) => at === nid).length);
}

test('a cpuset without the preferred target stops demotion up to 6.18, and not later', () => {
  expect({ '6.18': demoted('6.18'), '7.3': demoted('7.3') }).toEqual({
    '6.18': [PAGES, 0, 0],
    '7.3': [0, 0, PAGES],
  });
});
