import {
  createMachine,
  EBUSY,
  EEXIST,
  EINVAL,
  MemoryGroupsToken,
  MHP_NID_IS_MGID,
  type Services,
  ZONE_NORMAL,
} from '@mm-lab/mm-core';
import { expect, test } from 'vitest';
import { NodePrivateToken, nodePrivate, PrivateHotplugToken } from '../src/index.js';

const BLOCK = 32768;
const NID = 1;
const np = { name: 'ranges' };

/** Node 1 can get two memory blocks; nothing of it is plugged. */
function machineWithRoom() {
  const found: { services?: Services } = {};
  const take = {
    name: 'take',
    probe: (services: Services) => {
      found.services = services;
    },
  };
  const room = { type: ZONE_NORMAL, startPfn: BLOCK, spanned: 2 * BLOCK, hotplugged: true };
  const machine = createMachine(
    {
      seed: 1,
      nodes: [
        { id: 0, pages: BLOCK, cpus: 1 },
        { id: NID, pages: 0, online: false, zones: [room] },
      ],
    },
    [nodePrivate(), take],
  );
  if (found.services === undefined) throw new Error('the plugin was not probed');
  const hotplug = found.services.get(PrivateHotplugToken);
  const groups = found.services.get(MemoryGroupsToken);
  return { machine, hotplug, groups, nodes: found.services.get(NodePrivateToken) };
}

test('a node of two ranges stays registered until the last one is gone', () => {
  const { machine, hotplug, nodes } = machineWithRoom();
  const first = { base: BLOCK, pages: BLOCK };
  const second = { base: 2 * BLOCK, pages: BLOCK };
  const answers = {
    first: hotplug.add_private_range(NID, np, { ...first, onlineType: 'online' }),
    again: hotplug.add_private_range(NID, np, { ...first, onlineType: 'online' }),
    'somebody else': hotplug.add_private_range(
      NID,
      { name: 'other' },
      { ...second, onlineType: 'online' },
    ),
    second: hotplug.add_private_range(NID, np, { ...second, onlineType: 'online_movable' }),
    pages: machine.nodes.pgdat(NID).managedPages(),
    'first gone': hotplug.offline_and_remove_private_range(NID, first),
    'still registered': nodes.refsOf(NID),
    'second gone': hotplug.offline_and_remove_private_range(NID, second),
    'no longer': nodes.refsOf(NID),
  };
  expect(answers).toEqual({
    first: 0,
    again: -EEXIST,
    'somebody else': -EBUSY,
    second: 0,
    pages: 2 * BLOCK,
    'first gone': -EBUSY,
    'still registered': 1,
    'second gone': 0,
    'no longer': -1,
  });
  machine.verify();
});

test('a range may name a memory group instead of its node', () => {
  const { machine, hotplug, groups, nodes } = machineWithRoom();
  const mgid = groups.registerStatic(NID);
  const mhpFlags = MHP_NID_IS_MGID;
  const range = { base: BLOCK, pages: BLOCK, onlineType: 'online', mhpFlags } as const;
  const answers = [
    groups.registerStatic(7),
    hotplug.add_private_range(mgid, null, range),
    hotplug.add_private_range(mgid + 1, np, range),
    nodes.refsOf(NID),
    hotplug.add_private_range(mgid, np, range),
    nodes.refsOf(NID),
    machine.nodes.pgdat(NID).managedPages(),
    groups.unregister(mgid),
    groups.unregister(mgid),
  ];
  expect(answers).toEqual([-EINVAL, -EINVAL, -EINVAL, -1, 0, 1, BLOCK, 0, -EINVAL]);
  machine.verify();
});
