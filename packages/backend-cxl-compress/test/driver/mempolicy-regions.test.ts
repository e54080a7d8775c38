import { EINTR, ENODEV, ENOSPC, N_MEMORY_PRIVATE } from '@mm-lab/mm-core';
import { NodePrivateToken, NP_OPS_MEMPOLICY, NP_OPS_MIGRATION } from '@mm-lab/node-private';
import { describe, expect, test } from 'vitest';
import {
  CxlMemdev,
  type CxlMemdevOptions,
  CxlMempolicyToken,
  cxlMempolicy,
} from '../../src/index.js';
import { BLOCK, NID, OTHER, ROOM, regionAt, sysramMachineOf } from './sysram-machine.js';

const MB256 = 2 * BLOCK;
const WINDOW = { ...ROOM, targetNode: NID };

/** A machine under the sample driver, and what it made of the device. */
function driven(options: CxlMemdevOptions) {
  const it = sysramMachineOf([cxlMempolicy(options)]);
  const driver = it.services.get(CxlMempolicyToken);
  return { ...it, driver, nodes: it.services.get(NodePrivateToken) };
}

describe('a region of a device', () => {
  const rcOf = (options: CxlMemdevOptions): unknown => new CxlMemdev(options).createRegion();

  test('is made of whole 256 MB, where host and device have room', () => {
    expect([
      rcOf({ ramPages: 0 }),
      rcOf({ ramPages: MB256 - 1 }),
      rcOf({ ramPages: MB256 }),
      rcOf({ ramPages: MB256, windows: [{ ...WINDOW, pages: BLOCK }] }),
      rcOf({ ramPages: MB256, regions: [regionAt(0)], windows: [WINDOW] }),
      rcOf({ ramPages: MB256 + BLOCK, windows: [WINDOW] }),
    ]).toEqual([
      -ENODEV,
      -ENOSPC,
      -ENOSPC,
      -ENOSPC,
      -ENOSPC,
      { id: 0, hpa: { base: ROOM.base, pages: MB256 }, mode: 'ram', targetNode: NID, device: null },
    ]);
  });

  test('lies behind others, and gives its addresses back', () => {
    const hpa = { base: ROOM.base, pages: BLOCK };
    const windows = [WINDOW];
    const memdev = new CxlMemdev({ ramPages: 3 * BLOCK, regions: [regionAt(0, { hpa })], windows });
    const made = memdev.createRegion();
    if (typeof made === 'number') throw new Error(`errno ${made}`);
    const free = [memdev.freeDpaPages(), memdev.createRegion()];
    memdev.destroyRegion(made);
    expect([made.hpa, made.id, free, memdev.freeDpaPages()]).toEqual([
      { base: ROOM.base + MB256, pages: MB256 },
      1,
      [0, -ENOSPC],
      2 * BLOCK,
    ]);
  });

  test('counts if it is RAM among the first eight committed ones', () => {
    const regions = Array.from({ length: 12 }, (_, id) =>
      regionAt(id, id === 0 ? { hpa: null } : id === 1 ? { mode: 'dynamic-ram' } : {}),
    );
    const memdev = new CxlMemdev({ ramPages: 12 * BLOCK, regions });
    expect(memdev.ramRegions().map(({ id }) => id)).toEqual([2, 3, 4, 5, 6, 7, 8]);
  });
});

describe('cxl_mempolicy', () => {
  test('takes the first region that works, and opts in to migration and policies', () => {
    const bad = regionAt(0, { failAllocation: true });
    const it = driven({ ramPages: 4 * BLOCK, regions: [bad, regionAt(1), regionAt(2)] });
    expect([
      it.driver.region()?.id,
      it.pages(),
      it.machine.blocks.of(NID)[0]?.zone?.name,
      it.nodes.node_private_flags(NID),
      it.sysrams.all().length,
    ]).toEqual([1, BLOCK, 'Movable', NP_OPS_MIGRATION | NP_OPS_MEMPOLICY, 1]);
    it.machine.verify();
  });

  test('makes a region if none works, and destroys only that one when it goes', () => {
    const bad = regionAt(0, { failAllocation: true });
    const memdev = new CxlMemdev({ ramPages: 3 * BLOCK, regions: [bad], windows: [WINDOW] });
    const it = driven({ ramPages: 0 });
    const rc = it.driver.probe(memdev);
    const plugged = [it.driver.region()?.hpa, it.pages(), memdev.freeDpaPages()];
    const removed = [it.driver.remove(), it.pages(), memdev.freeDpaPages()];
    expect([rc, ...plugged]).toEqual([0, { base: ROOM.base + MB256, pages: MB256 }, MB256, 0]);
    expect([...removed, memdev.ramRegions()]).toEqual([0, 0, MB256, [bad]]);
    it.machine.verify();
  });

  test('refuses a device that no region can be made of', () => {
    expect(() => driven({ ramPages: BLOCK, windows: [WINDOW] })).toThrow('ENOSPC');
  });

  test('without RAM it is content with nothing', () => {
    const it = driven({ ramPages: 0 });
    expect([it.driver.region(), it.pages(), it.driver.remove()]).toEqual([null, 0, 0]);
  });

  test('pages come by explicit move only; removal strands what is left, then goes on', () => {
    const it = driven({ ramPages: MB256, windows: [{ ...WINDOW, targetNode: null }] });
    const task = it.machine.createTask('t');
    task.mmap(0, 16);
    for (let vpn = 0; vpn < 16; vpn++) task.write(vpn);
    const before = it.machine.usedPages(NID);
    const moved = task.movePages([0, 1, 2, 3], NID);
    const there = it.machine.usedPages(NID);
    const stuck = it.driver.remove();
    const flags = it.nodes.node_private_flags(NID);
    task.exit();
    const removed = it.driver.remove();
    expect({ before, rc: moved.rc, there, stuck, flags, removed }).toEqual({
      before: 0,
      rc: 0,
      there: 4,
      stuck: -EINTR,
      flags: 0,
      removed: 0,
    });
    expect([it.pages(), it.machine.nodes.hasState(NID, N_MEMORY_PRIVATE)]).toEqual([0, false]);
    expect(it.driver.probe(new CxlMemdev({ ramPages: MB256, windows: [WINDOW] }))).toBe(0);
    it.machine.verify();
  });

  test('leaves the node of another driver alone', () => {
    const it = sysramMachineOf();
    const nodes = it.services.get(NodePrivateToken);
    nodes.node_private_register(NID, { name: 'other' });
    nodes.node_private_set_ops(NID, { flags: 0 });
    const ops = nodes.opsOf(NID);
    const other = { id: 9, hpa: { base: ROOM.base + ROOM.pages, pages: BLOCK }, targetNode: OTHER };
    const regions = [regionAt(0), regionAt(0, other)];
    const plugin = cxlMempolicy({ ramPages: 4 * BLOCK, regions });
    plugin.register?.(it.services);
    plugin.probe?.(it.services);
    expect([it.services.get(CxlMempolicyToken).region()?.id, nodes.opsOf(NID) === ops]).toEqual([
      9,
      true,
    ]);
    it.machine.verify();
  });
});
