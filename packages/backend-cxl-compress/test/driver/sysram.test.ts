import {
  EBUSY,
  EEXIST,
  EINTR,
  EINVAL,
  ENOMEM,
  ENOSPC,
  ENXIO,
  N_MEMORY,
  N_MEMORY_PRIVATE,
  WarningsToken,
} from '@mm-lab/mm-core';
import { movingOps, NodePrivateToken, NP_OPS_MIGRATION } from '@mm-lab/node-private';
import { describe, expect, test } from 'vitest';
import type { CxlRegion, CxlSysram } from '../../src/index.js';
import {
  BLOCK,
  NID,
  ROOM,
  regionAt,
  type SysramMachine,
  sysramMachineOf,
} from './sysram-machine.js';

const NOWHERE = { base: 100 * BLOCK, pages: BLOCK };
const SMALL = { base: 100 * BLOCK + 1, pages: BLOCK };

function sysramOf({ sysrams }: SysramMachine, region: CxlRegion): CxlSysram {
  const sysram = sysrams.cxl_region_find_sysram(region);
  if (sysram === null) throw new Error('the region has a sysram device');
  return sysram;
}

describe('devm_cxl_add_sysram', () => {
  test('checks range, blocks, memory, node and device, in this order', () => {
    const it = sysramMachineOf();
    const add = (region: CxlRegion): number =>
      it.sysrams.devm_cxl_add_sysram(region, 'offline', null);
    const all = { targetNode: null, failAllocation: true };
    const known = regionAt(0);
    expect([
      add(regionAt(0, { ...all, hpa: null })),
      add(regionAt(0, { ...all, hpa: SMALL })),
      add(regionAt(0, { ...all, hpa: NOWHERE })),
      add(regionAt(0, { targetNode: null, hpa: NOWHERE })),
      add(known),
      add(known),
    ]).toEqual([-ENXIO, -ENOSPC, -ENOMEM, -EINVAL, 0, -EEXIST]);
    it.machine.verify();
  });

  test('keeps whole blocks, and finds the node by address if no table names it', () => {
    const it = sysramMachineOf();
    const hpa = { base: ROOM.base + 1, pages: 3 * BLOCK };
    const region = regionAt(3, { hpa, targetNode: null });
    it.sysrams.devm_cxl_add_sysram(region, 'online', null);
    const { nid, range, resourceName } = sysramOf(it, region);
    expect([nid, range, resourceName, it.pages()]).toEqual([
      NID,
      { base: ROOM.base + BLOCK, pages: 2 * BLOCK },
      'cxl_sysram3',
      2 * BLOCK,
    ]);
    it.machine.verify();
  });

  test.each([
    ['online', 'ram', 1, 'Normal'],
    ['online_kernel', 'ram', 1, 'Normal'],
    ['online_movable', 'ram', 1, 'Movable'],
    ['offline', 'ram', 0, undefined],
    ['online', 'dynamic-ram', 0, undefined],
  ] as const)('%s, %s: %i block online in %s', (word, mode, blocks, zone) => {
    const it = sysramMachineOf();
    const region = regionAt(0, { mode });
    const rc = it.sysrams.devm_cxl_add_sysram(region, word, null);
    const [first] = it.machine.blocks.of(NID);
    expect([rc, it.pages(), sysramOf(it, region).isPlugged, first?.zone?.name]).toEqual([
      0,
      blocks * BLOCK,
      blocks === 1,
      zone,
    ]);
    it.machine.verify();
  });

  test('a failure to plug is only warned about', () => {
    const it = sysramMachineOf();
    const range = { base: ROOM.base, pages: BLOCK };
    it.machine.blocks.plug(NID, range, 'online');
    const region = regionAt(0);
    const rc = it.sysrams.devm_cxl_add_sysram(region, 'online', null);
    expect([
      rc,
      sysramOf(it, region).isPlugged,
      it.services.get(WarningsToken).counts().get('devm_cxl_add_sysram'),
      it.sysrams.hotplug_store(sysramOf(it, region), 'online'),
    ]).toEqual([0, false, 1, -EEXIST]);
  });

  test('memory of unknown distance is of a lower tier than DRAM, until the region goes', () => {
    const it = sysramMachineOf();
    const region = regionAt(0);
    const distance = (): number | null => it.machine.nodes.pgdat(NID).adistance;
    it.sysrams.devm_cxl_add_sysram(region, 'online_movable', null);
    const there = [distance(), it.machine.tiers.nextDemotionNode(0)];
    expect([...there, it.sysrams.unregister(region), distance()]).toEqual([2880, NID, 0, null]);
    it.machine.verify();
  });
});

describe('the file hotplug', () => {
  test('takes online types; plugged or busy is -EBUSY; offline removes', () => {
    const it = sysramMachineOf();
    const [region, twin] = [regionAt(0), regionAt(0)];
    it.sysrams.devm_cxl_add_sysram(region, 'offline', null);
    it.sysrams.devm_cxl_add_sysram(twin, 'offline', null);
    const write = (one: CxlRegion, word: string): number =>
      it.sysrams.hotplug_store(sysramOf(it, one), word);
    expect([
      write(region, 'unplug'),
      write(region, 'offline'),
      write(region, 'online_movable'),
      write(region, 'online_movable'),
      write(region, 'nonsense'),
      write(twin, 'online'),
      write(region, 'offline'),
      write(twin, 'online'),
      it.pages(),
    ]).toEqual([-EINVAL, 0, 0, -EBUSY, -EINVAL, -EBUSY, 0, 0, BLOCK]);
    it.machine.verify();
  });

  test('dynamic capacity is plugged when somebody asks for it', () => {
    const it = sysramMachineOf();
    const region = regionAt(0, { mode: 'dynamic-ram' });
    it.sysrams.devm_cxl_add_sysram(region, 'online', it.embedded);
    const before = it.pages();
    const rc = it.sysrams.hotplug_store(sysramOf(it, region), 'online_movable');
    expect([before, rc, it.pages()]).toEqual([0, 0, BLOCK]);
    it.machine.verify();
  });
});

describe('private sysram', () => {
  test('has an np of its own in each device, so a node takes one region', () => {
    const it = sysramMachineOf();
    const [first, second] = [regionAt(0), regionAt(1)];
    it.sysrams.devm_cxl_add_sysram(first, 'online_movable', it.embedded);
    const rc = it.sysrams.devm_cxl_add_sysram(second, 'online_movable', it.embedded);
    expect([
      rc,
      sysramOf(it, second).isPlugged,
      it.sysrams.hotplug_store(sysramOf(it, second), 'online_movable'),
      it.pages(),
      it.machine.nodes.hasState(NID, N_MEMORY_PRIVATE),
    ]).toEqual([0, false, -EBUSY, BLOCK, true]);
    it.machine.verify();
  });

  test('regions of a node that share its np: -EBUSY of all but the last removal is success', () => {
    const it = sysramMachineOf();
    const regions = [regionAt(0), regionAt(1), regionAt(2)];
    const nodes = it.services.get(NodePrivateToken);
    const seen: number[][] = [];
    for (const region of regions) {
      it.sysrams.devm_cxl_add_sysram(region, 'online_movable', it.ofTheNode);
      seen.push([it.pages() / BLOCK, nodes.refsOf(NID)]);
    }
    for (const region of regions) {
      const rc = it.sysrams.cxl_sysram_offline_and_remove(sysramOf(it, region));
      seen.push([rc, it.pages() / BLOCK, nodes.refsOf(NID)]);
    }
    expect(seen).toEqual([
      [1, 1],
      [2, 1],
      [3, 1],
      [0, 2, 1],
      [0, 1, 1],
      [0, 0, -1],
    ]);
    it.machine.verify();
  });

  test('ordinary and private memory refuse each other’s node', () => {
    const it = sysramMachineOf();
    it.sysrams.devm_cxl_add_sysram(regionAt(0), 'online', null);
    const second = regionAt(1);
    it.sysrams.devm_cxl_add_sysram(second, 'offline', it.embedded);
    expect([
      it.sysrams.hotplug_store(sysramOf(it, second), 'online_movable'),
      it.machine.nodes.hasState(NID, N_MEMORY),
    ]).toEqual([-EBUSY, true]);
    it.machine.verify();
  });

  test('pages that may not migrate keep their block, and the error comes as it is', () => {
    const it = sysramMachineOf();
    const region = regionAt(0);
    const nodes = it.services.get(NodePrivateToken);
    it.sysrams.devm_cxl_add_sysram(region, 'online_movable', it.embedded);
    const ops = { ...movingOps(it.services), flags: NP_OPS_MIGRATION };
    nodes.node_private_set_ops(NID, ops);
    const task = it.machine.createTask('t');
    task.mmap(0, 8);
    for (let vpn = 0; vpn < 8; vpn++) task.write(vpn);
    task.movePages([0, 1, 2], NID);
    nodes.node_private_clear_ops(NID, ops);
    expect([
      it.machine.managed.hookCalls().get('migrate_to'),
      it.sysrams.unregister(region),
      sysramOf(it, region).isPlugged,
      nodes.refsOf(NID),
    ]).toEqual([1, -EINTR, true, 1]);
    it.machine.verify();
  });
});
