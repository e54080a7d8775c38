import { expect, test } from 'vitest';
import { EBUSY, EEXIST, EINVAL, ENOENT } from '../../src/index.js';
import type { CgroupTask } from '../../src/mem/cgroup.js';
import { machineOf, twoTiers } from '../machine-of.js';

test('groups come and go by path, and say what mkdir and rmdir say', () => {
  const { cgroups } = machineOf();
  expect([
    cgroups.mkdir('a'),
    cgroups.mkdir('a'),
    cgroups.mkdir('b/c'),
    cgroups.mkdir('a/b'),
    cgroups.rmdir('a'),
    cgroups.rmdir('a/b'),
    cgroups.rmdir('a'),
    cgroups.find('a'),
  ]).toEqual([0, -EEXIST, -ENOENT, 0, -EBUSY, 0, 0, null]);
});

test('controllers are given from the top down, and not past tasks', () => {
  const { cgroups } = machineOf();
  const told: string[] = [];
  cgroups.register({
    name: 'memory',
    online: (group) => told.push(`+${group.path}`),
    offline: (group) => told.push(`-${group.path}`),
    attach: (task, from, to) => told.push(`${task.pid}: ${from.path} to ${to.path}`),
  });
  cgroups.mkdir('a');
  cgroups.mkdir('a/b');
  const group = cgroups.find('a') ?? cgroups.root;
  const inner = cgroups.find('a/b') ?? cgroups.root;
  const task: CgroupTask = { pid: 7, cgroup: null };
  const answers = [
    cgroups.attach(task, inner),
    cgroups.writeSubtreeControl(group, '+cpuset +nonsense'),
    cgroups.writeSubtreeControl(group, '+memory'),
    cgroups.writeSubtreeControl(inner, '+memory'),
    cgroups.attach(task, group),
    cgroups.writeSubtreeControl(group, '-memory'),
    cgroups.attach(task, group),
  ];
  cgroups.leave(task);
  expect(answers).toEqual([0, -EINVAL, 0, -EBUSY, -EBUSY, 0, 0]);
  expect(told).toEqual(['+', '+a', '7:  to a', '+a/b', '-a/b']);
  expect(ENOENT - cgroups.writeSubtreeControl(inner, '+memory')).toBe(2 * ENOENT);
});

test('the nodes of a removed group, whose pages may still stand, are those of its parent', () => {
  const machine = machineOf({ nodes: twoTiers(1024, 1024) });
  const { cgroups, cpusets } = machine;
  cgroups.mkdir('a');
  const group = cgroups.find('a');
  if (group === null) throw new Error('no group');
  cpusets.writeMems(group, '0');
  expect([...cpusets.effectiveMems(group)]).toEqual([0]);
  cgroups.rmdir('a');
  expect([...cpusets.effectiveMems(group)]).toEqual([0, 1]);
});

test('a child is listed in the group of its parent until it exits', () => {
  const machine = machineOf();
  const { cgroups } = machine;
  cgroups.mkdir('a');
  const group = cgroups.find('a');
  const parent = machine.createTask('parent');
  if (group === null) throw new Error('no group');
  cgroups.attach(parent.struct, group);
  const child = parent.fork('child');
  if (typeof child === 'number') throw new Error('fork failed');
  cgroups.attach(parent.struct, cgroups.root);
  expect([[...group.tasks].map(({ pid }) => pid), cgroups.rmdir('a')]).toEqual([
    [child.struct.pid],
    -EBUSY,
  ]);
  child.exit();
  expect(cgroups.rmdir('a')).toBe(0);
});

test('a node that comes online is not for a task of a cpuset that had all the others', () => {
  const nodes = [...twoTiers(1024, 1024), { id: 2, pages: 1024, online: false }];
  const machine = machineOf({ nodes });
  const { cgroups, cpusets } = machine;
  cgroups.mkdir('a');
  const group = cgroups.find('a');
  if (group === null) throw new Error('no group');
  cpusets.writeMems(group, '0-1');
  const task = machine.createTask('t');
  cgroups.attach(task.struct, group);
  machine.hotplug.onlinePages(2, null);
  expect([...cpusets.memsAllowed(task.struct)]).toEqual([0, 1]);
  machine.verify();
});
