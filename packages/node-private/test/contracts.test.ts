import {
  __GFP_THISNODE,
  createMachine,
  EBUSY,
  EEXIST,
  EINVAL,
  ENODEV,
  EOPNOTSUPP,
  GFP_HIGHUSER_MOVABLE,
  MIGRATE_ASYNC,
  MR_DEMOTION,
  type Plugin,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import {
  NodePrivateToken,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  nodePrivate,
  PrivateHotplugToken,
} from '../src/index.js';
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

test('every call answers as the table of the series says (spec 1.1)', () => {
  const { machine, nodes, hotplug } = machineOf();
  const ops = { flags: 0 };
  const stranger = { flags: 0 };
  expect({
    'register: no np': nodes.node_private_register(C, null),
    'register: not possible': nodes.node_private_register(9, np),
    'register: ordinary memory': nodes.node_private_register(1, np),
    'set_ops: nothing registered': nodes.node_private_set_ops(C, ops),
    'clear_ops: nothing registered': nodes.node_private_clear_ops(C, ops),
    'unregister: nothing registered': nodes.node_private_unregister(C),
    'unregister: not possible': nodes.node_private_unregister(9),
    register: nodes.node_private_register(C, np),
    'register: the same again': nodes.node_private_register(C, np),
    'register: another np': nodes.node_private_register(C, { name: 'c' }),
    'set_ops: no ops': nodes.node_private_set_ops(C, null),
    'set_ops: not possible': nodes.node_private_set_ops(9, ops),
    'set_ops: bad flags': nodes.node_private_set_ops(C, { flags: NP_OPS_MEMPOLICY }),
    set_ops: nodes.node_private_set_ops(C, ops),
    'clear_ops: not possible': nodes.node_private_clear_ops(9, ops),
    'clear_ops: not the current': nodes.node_private_clear_ops(C, stranger),
    clear_ops: nodes.node_private_clear_ops(C, ops),
    'clear_ops: twice': nodes.node_private_clear_ops(C, ops),
    'memory comes': hotplug.add_private_memory_driver_managed(C, np, null),
    'unregister: memory online': nodes.node_private_unregister(C),
    'memory goes, and unregisters': hotplug.offline_and_remove_private_memory(C),
    refs: nodes.refsOf(C),
  }).toEqual({
    'register: no np': -EINVAL,
    'register: not possible': -EINVAL,
    'register: ordinary memory': -EBUSY,
    'set_ops: nothing registered': -ENODEV,
    'clear_ops: nothing registered': -ENODEV,
    'unregister: nothing registered': 0,
    'unregister: not possible': 0,
    register: 0,
    'register: the same again': 0,
    'register: another np': -EBUSY,
    'set_ops: no ops': -EINVAL,
    'set_ops: not possible': -EINVAL,
    'set_ops: bad flags': -EINVAL,
    set_ops: 0,
    'clear_ops: not possible': -EINVAL,
    'clear_ops: not the current': -EINVAL,
    clear_ops: 0,
    'clear_ops: twice': -EINVAL,
    'memory comes': 0,
    'unregister: memory online': -EBUSY,
    'memory goes, and unregisters': 0,
    refs: -1,
  });
  machine.verify();
});

test('without memory hotplug in the kernel the calls are stubs', () => {
  const { machine, nodes, hotplug } = machineOf(1, { hotplug: 'left out' });
  const ops = { flags: 0 };
  expect([
    nodes.node_private_register(C, np),
    nodes.node_private_register(C, null),
    nodes.node_private_set_ops(C, ops),
    nodes.node_private_clear_ops(C, ops),
    nodes.node_private_unregister(C),
    hotplug.add_private_memory_driver_managed(C, np, null),
    nodes.node_private_flags(C),
  ]).toEqual([-ENODEV, -ENODEV, -ENODEV, -ENODEV, 0, -ENODEV, 0]);
  machine.verify();
});

test('unregistering waits for what migrate_to began; then nothing more is called', () => {
  const { machine, nodes } = machineOf();
  nodes.node_private_register(C, np);
  const gfp = GFP_HIGHUSER_MOVABLE | __GFP_THISNODE;
  const newFolio = (): number => machine.zoneAlloc.alloc({ gfp, order: 0, nid: 1, nodemask: null });
  nodes.node_private_set_ops(C, {
    flags: NP_OPS_MIGRATION,
    folio_migrate: () => undefined,
    migrate_to: (list, _nid, mode, reason) =>
      machine.migrate.migratePages(list, { newFolio, mode, reason }).rc,
  });
  const task = machine.createTask('t');
  task.mmap(0, 1);
  task.write(0);
  machine.folios.lruAddDrainAll();
  const folio = machine.ptes.value[machine.ptes.slot(task.mm.id, 0)] ?? -1;
  machine.folios.isolateLru(folio);
  const call = (): number =>
    machine.managed.node_private_migrate_to([folio], C, MIGRATE_ASYNC, MR_DEMOTION);
  machine.clock.after(1, call);
  machine.sleep(1);
  expect([nodes.refsOf(C), machine.migrate.busy()]).toEqual([2, true]);
  const rc = nodes.node_private_unregister(C);
  expect([rc, machine.migrate.busy(), task.where([0])]).toEqual([0, false, [1]]);
  expect([nodes.refsOf(C), call(), machine.managed.hookCalls().get('migrate_to')]).toEqual([
    -1,
    -ENODEV,
    1,
  ]);
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
