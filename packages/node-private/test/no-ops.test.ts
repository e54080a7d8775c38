import {
  __GFP_RETRY_MAYFAIL,
  EBUSY,
  EINVAL,
  ENODEV,
  ENOENT,
  GFP_HIGHUSER_MOVABLE,
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_FREE,
  MADV_MERGEABLE,
  MADV_PAGEOUT,
  type Machine,
  MPOL_BIND,
  MPOL_DEFAULT,
  PG_lru,
  PG_mlocked,
  type Task,
  zramSwap,
} from '@mm-lab/mm-core';
import { beforeEach, describe, expect, test } from 'vitest';
import {
  __GFP_PRIVATE,
  type NodePrivateOps,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
} from '../src/index.js';
import { machineOf, type PrivateMachine } from './support.js';

const NID = 2;
const PAGES = 16;
const np = { name: 'silent' };
const binding: NodePrivateOps = {
  flags: NP_OPS_MIGRATION | NP_OPS_MEMPOLICY,
  migrate_to: () => -ENODEV,
  folio_migrate: () => undefined,
};

/** Pages come to the node while it is opted in; then the ops go and the pages stay. */
describe('on a node without ops', () => {
  let made: PrivateMachine;
  let machine: Machine;
  let task: Task;

  beforeEach(() => {
    made = machineOf(1, {}, [zramSwap({ pages: 256, codec: 'lzo-rle' })]);
    ({ machine } = made);
    made.hotplug.add_private_memory_driver_managed(NID, np, null);
    made.nodes.node_private_set_ops(NID, binding);
    task = machine.createTask('t');
    task.mmap(0, PAGES);
    bind(MPOL_BIND, [NID]);
    for (let vpn = 0; vpn < PAGES; vpn++) task.write(vpn);
    bind(MPOL_DEFAULT, []);
    machine.folios.lruAddDrainAll();
    made.nodes.node_private_clear_ops(NID, binding);
    expect(nodesOf()).toEqual(new Set([NID]));
  });

  function bind(mode: number, nodes: readonly number[]): number {
    return machine.sys.mbind.mbind(task.struct, {
      start: 0,
      len: PAGES * 4096,
      mode,
      mask: { nodes, maxnode: 64 },
      flags: 0,
    });
  }

  function advise(advice: number): number {
    return machine.sys.madvise.madvise(task.struct, 0, PAGES * 4096, advice);
  }

  function frames(): number[] {
    return Array.from({ length: PAGES }, (_, vpn) => {
      const slot = machine.ptes.find(task.mm.id, vpn);
      return machine.ptes.value[slot] ?? -1;
    });
  }

  function nodesOf(): Set<number> {
    return new Set(frames().map((pfn) => machine.nodes.nidOf(pfn)));
  }

  test('only a request that asks gets its memory', () => {
    const from = (gfp: number): number => {
      const pfn = machine.pageAlloc.alloc({ gfp, order: 0, nid: NID, nodemask: null });
      const nid = machine.nodes.nidOf(pfn);
      machine.folios.put(pfn);
      return nid;
    };
    expect([from(GFP_HIGHUSER_MOVABLE | __GFP_PRIVATE), from(GFP_HIGHUSER_MOVABLE)]).toEqual([
      2, 0,
    ]);
  });

  test('move_pages goes neither in nor out, and tells nobody where pages are', () => {
    const other = machine.createTask('other');
    other.mmap(0, 1);
    other.write(0);
    expect(other.movePages([0], NID)).toEqual({ rc: -ENODEV, status: [null] });
    expect(task.movePages([0, 1], 0)).toEqual({ rc: 0, status: [-ENOENT, -ENOENT] });
    expect(task.where([0, 1])).toEqual([-ENOENT, -ENOENT]);
  });

  test('no policy may name it, alone or with others', () => {
    expect([bind(MPOL_BIND, [NID]), bind(MPOL_BIND, [0, NID])]).toEqual([-EINVAL, -EINVAL]);
  });

  test('nor may a policy of the task', () => {
    const set = (nodes: readonly number[]): number => {
      const mask = { nodes, maxnode: 64 };
      return machine.sys.setMempolicy.setMempolicy(task.struct, MPOL_BIND, mask);
    };
    expect([set([NID]), set([0, NID])]).toEqual([-EINVAL, -EINVAL]);
  });

  test('NUMA balancing does not look at its pages', () => {
    machine.pseudoFiles.write('/proc/sys/kernel/numa_balancing', '3');
    for (let round = 0; round < 5; round++) {
      machine.sleep(1e9);
      for (let vpn = 0; vpn < PAGES; vpn++) task.read(vpn);
    }
    const { numa_pte_updates, numa_hint_faults } = machine.vmstat();
    expect([numa_pte_updates, numa_hint_faults]).toEqual([0, 0]);
    expect(nodesOf()).toEqual(new Set([NID]));
  });

  test('reclaim for a request that walks its list passes it by', () => {
    const held: number[] = [];
    machine.folios.addHolder(() => held);
    const gfp = GFP_HIGHUSER_MOVABLE | __GFP_PRIVATE | __GFP_RETRY_MAYFAIL;
    for (let pfn = 0; pfn >= 0; ) {
      pfn = machine.pageAlloc.alloc({ gfp, order: 0, nid: NID, nodemask: null });
      if (pfn >= 0) held.push(pfn);
    }
    expect(nodesOf()).toEqual(new Set([NID]));
    expect(machine.vmstat().pswpout).toBe(0);
    for (const pfn of held.splice(0)) machine.folios.put(pfn);
  });

  test('it is no demotion target', () => {
    machine.tiers.refresh();
    expect(machine.tiers.preferredOf(0)).not.toContain(NID);
    expect(machine.tiers.lowerTierMask(0)).not.toContain(NID);
  });

  test('it has no kswapd, and waking one that was started does nothing', () => {
    expect(machine.nodes.pgdat(NID).kswapd.running).toBe(false);
    const [zone] = machine.nodes.pgdat(NID).zones;
    if (zone !== undefined) zone.watermarkBoost = zone.managedPages;
    machine.zoneAlloc.wakeupKswapd(NID, 0);
    machine.sleep(5e9);
    expect(nodesOf()).toEqual(new Set([NID]));
  });

  test('compaction leaves it alone', () => {
    expect(machine.compaction.isAllowed(NID)).toBe(false);
  });

  test('its pages are not pinned for long', () => {
    expect(machine.gup.pinLongterm(task.mm, 0, 0)).toBeLessThan(0);
    expect(nodesOf()).toEqual(new Set([NID]));
  });

  test('KSM, collapse and advice pass its pages by; the calls themselves succeed', () => {
    const answers = [MADV_COLD, MADV_PAGEOUT, MADV_FREE, MADV_MERGEABLE].map(advise);
    const before = frames();
    machine.sleep(1e9);
    expect({ answers, collapse: advise(MADV_COLLAPSE) }).toEqual({
      answers: [0, 0, 0, 0],
      collapse: -EINVAL,
    });
    expect(frames()).toEqual(before);
    for (let vpn = 0; vpn < PAGES; vpn++) expect(task.read(vpn)).toBe('ok');
  });

  test('mlock succeeds and locks no page', () => {
    machine.sys.mlock.mlock(task.struct, 0, PAGES * 4096);
    machine.folios.lruAddDrainAll();
    const flags = frames().map((pfn) => machine.table.flags[pfn]! & (PG_mlocked | PG_lru));
    expect(new Set(flags)).toEqual(new Set([PG_lru]));
  });

  test('a page cannot be taken offline softly; hard poison is handled as always', () => {
    const [first = -1, second = -1] = frames();
    expect(machine.softOffline.softOfflinePage(first)).toBe(-EBUSY);
    expect(machine.memoryFailure.memoryFailure(second, 0)).toBe(0);
  });

  test('unplugging warns once and cannot empty it', () => {
    expect(made.hotplug.offline_and_remove_private_memory(NID)).toBe(-EBUSY);
    expect(machine.pseudoFiles.read('/proc/sys/kernel/tainted')).toBe('512');
    expect(nodesOf()).toEqual(new Set([NID]));
    machine.verify();
  });
});
