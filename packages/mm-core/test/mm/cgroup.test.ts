import { expect, test } from 'vitest';
import { EBUSY, EEXIST, EINVAL, ENOENT } from '../../src/index.js';
import type { CgroupTask } from '../../src/mem/cgroup.js';
import { machineOf } from '../machine-of.js';

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
