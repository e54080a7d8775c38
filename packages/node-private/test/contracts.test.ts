import { createMachine, EEXIST, EINVAL, ENODEV, EOPNOTSUPP, type Plugin } from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { NodePrivateToken, nodePrivate, PrivateHotplugToken } from '../src/index.js';
import { machineOf } from './support.js';

const C = 2;
const np = { name: 'c' };

test('registering says -ENODEV before the node subsystem is up, and -EINVAL before that', () => {
  const answers: number[] = [];
  const early: Plugin = {
    name: 'early',
    probe: (services) => {
      const nodes = services.get(NodePrivateToken);
      const hotplug = services.get(PrivateHotplugToken);
      answers.push(nodes.node_private_register(1, null));
      answers.push(nodes.node_private_register(9, np));
      answers.push(nodes.node_private_register(1, np));
      answers.push(hotplug.add_private_memory_driver_managed(1, np, null));
      answers.push(nodes.node_private_set_ops(1, { flags: 0 }));
      answers.push(nodes.node_private_unregister(1));
    },
  };
  const nodes = [
    { id: 0, pages: 1024, cpus: 1 },
    { id: 1, pages: 1024, online: false },
  ];
  const machine = createMachine({ seed: 1, nodes }, [early, nodePrivate()]);
  expect(answers).toEqual([-EINVAL, -EINVAL, -ENODEV, -ENODEV, -ENODEV, 0]);
  machine.verify();
});

test('without hot-remove both ways of taking memory away say -EOPNOTSUPP, and all stays', () => {
  const { machine, hotplug, nodes } = machineOf(1, { hotRemove: 'left out' });
  hotplug.add_private_memory_driver_managed(C, np, null);
  const range = { base: machine.nodes.pgdat(C).base, pages: 1024 };
  expect([
    hotplug.offline_and_remove_private_memory(C),
    hotplug.offline_and_remove_private_range(C, range),
    nodes.refsOf(C),
    machine.nodes.pgdat(C).managedPages() > 0,
  ]).toEqual([-EOPNOTSUPP, -EOPNOTSUPP, 1, true]);
  machine.verify();
});

test('a node that is there already says -EEXIST, as a range does, and stays registered', () => {
  const { machine, hotplug, nodes } = machineOf();
  expect([
    hotplug.add_private_memory_driver_managed(C, np, null),
    hotplug.add_private_memory_driver_managed(C, np, null),
    nodes.refsOf(C),
  ]).toEqual([0, -EEXIST, 1]);
  machine.verify();
});
