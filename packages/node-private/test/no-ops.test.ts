import {
  __GFP_RETRY_MAYFAIL,
  EBUSY,
  EINVAL,
  ENODEV,
  ENOENT,
  ENOMEM,
  GFP_HIGHUSER_MOVABLE,
  KswapdToken,
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_FREE,
  MADV_HUGEPAGE,
  MADV_MERGEABLE,
  MADV_PAGEOUT,
  type Machine,
  MPOL_BIND,
  MPOL_DEFAULT,
  MPOL_MF_MOVE,
  MPOL_MF_STRICT,
  PG_mlocked,
  PG_swapbacked,
  PTE_ACCESSED,
  type Task,
  WarningsToken,
  zramSwap,
} from '@mm-lab/mm-core';
import { describe, expect, test } from 'vitest';
import {
  __GFP_PRIVATE,
  type NodePrivateOps,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
} from '../src/index.js';
import { machineOf, type PrivateMachine } from './support.js';

const NID = 2;
const PAGES = 16;
const HUGE = 512;
const np = { name: 'silent' };
const binding: NodePrivateOps = {
  flags: NP_OPS_MIGRATION | NP_OPS_MEMPOLICY,
  migrate_to: () => -ENODEV,
  folio_migrate: () => undefined,
};

/** A task with all its pages on one node. */
interface Resident extends PrivateMachine {
  readonly task: Task;
  readonly pages: number;
}

/**
 * Pages come to the private node while it is opted in; then the ops go and the pages stay. On
 * another node they lie as ever: what is done to them there shows that the question is a real one.
 */
function residentOn(nid: number, pages: number): Resident {
  const made = machineOf(1, {}, [zramSwap({ pages: 1024, codec: 'lzo-rle' })], 4 * HUGE);
  const { machine, nodes, hotplug } = made;
  hotplug.add_private_memory_driver_managed(NID, np, null);
  nodes.node_private_set_ops(NID, binding);
  const task = machine.createTask('t');
  const resident = { ...made, task, pages };
  task.mmap(0, pages);
  bind(resident, MPOL_BIND, [nid]);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  bind(resident, MPOL_DEFAULT, []);
  machine.folios.lruAddDrainAll();
  nodes.node_private_clear_ops(NID, binding);
  expect(nodesOf(resident)).toEqual([nid]);
  return resident;
}

/** The same story of pages in DRAM and of pages on the node without ops. */
function both<T>(story: (made: Resident) => T, pages = PAGES): { dram: T; silent: T } {
  const tell = (nid: number): T => {
    const made = residentOn(nid, pages);
    const told = story(made);
    made.machine.verify();
    return told;
  };
  return { dram: tell(0), silent: tell(NID) };
}

function bind(
  { machine, task, pages }: Resident,
  mode: number,
  nodes: readonly number[],
  flags = 0,
): number {
  machine.work.runAs(task.struct);
  const mask = { nodes, maxnode: 64 };
  return machine.sys.mbind.mbind(task.struct, { start: 0, len: pages * 4096, mode, mask, flags });
}

/** First pages of what is mapped. */
function frames({ machine, task, pages }: Resident): number[] {
  const mapped = Array.from({ length: pages }, (_, vpn) => {
    const slot = machine.ptes.find(task.mm.id, vpn);
    return slot < 0 ? -1 : (machine.ptes.value[slot] ?? -1);
  });
  return mapped.filter((pfn) => pfn >= 0);
}

/** Bits of what is mapped. */
function entries({ machine, task, pages }: Resident): number[] {
  return Array.from({ length: pages }, (_, vpn) => {
    const slot = machine.ptes.find(task.mm.id, vpn);
    return slot < 0 ? 0 : (machine.ptes.bits[slot] ?? 0);
  });
}

function swappedOut({ machine }: Resident): number {
  return machine.vmstat().pswpout;
}

function nodesOf(made: Resident): number[] {
  return [...new Set(frames(made).map((pfn) => made.machine.nodes.nidOf(pfn)))];
}

/** Of all that is mapped, how many pages have the flag. */
function flagged(made: Resident, flag: number): number {
  return frames(made).filter((pfn) => made.machine.table.has(pfn, flag)).length;
}

function write({ pseudoFiles }: Machine, files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) expect(pseudoFiles.write(path, text)).toBe(0);
}

describe('on a node without ops (spec 2.5)', () => {
  test('only a request that asks gets its memory', () => {
    const { machine } = residentOn(NID, PAGES);
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

  test('move_pages does not go there', () => {
    const { machine } = residentOn(NID, PAGES);
    const other = machine.createTask('other');
    other.mmap(0, 1);
    other.write(0);
    expect(other.movePages([0], NID)).toEqual({ rc: -ENODEV, status: [null] });
  });

  test('move_pages does not leave it, and tells nobody where pages are', () => {
    const told = both(({ task }) => [task.where([0, 1]), task.movePages([0, 1], 1)]);
    expect(told).toEqual({
      dram: [[0, 0], { rc: 0, status: [1, 1] }],
      silent: [[-ENOENT, -ENOENT], { rc: 0, status: [-ENOENT, -ENOENT] }],
    });
  });

  test('migrate_pages and mbind with MOVE leave its pages where they are, without an error', () => {
    const told = both((made) => {
      const { machine, task } = made;
      const mask = (nodes: number[]) => ({ nodes, maxnode: 64 });
      const request = { pid: 0, from: mask([0, NID]), to: mask([1]) };
      machine.work.runAs(task.struct);
      const moved = machine.sys.migratePages.migratePages(task.struct, request);
      const there = nodesOf(made);
      const bound = bind(made, MPOL_BIND, [1], MPOL_MF_MOVE | MPOL_MF_STRICT);
      return [moved, there, bound, nodesOf(made)];
    });
    expect(told).toEqual({ dram: [0, [1], 0, [1]], silent: [0, [NID], 0, [NID]] });
  });

  test('no policy may name it, alone or with others', () => {
    const made = residentOn(NID, PAGES);
    const { machine, task } = made;
    const set = (nodes: readonly number[]): number => {
      const mask = { nodes, maxnode: 64 };
      return machine.sys.setMempolicy.setMempolicy(task.struct, MPOL_BIND, mask);
    };
    expect([bind(made, MPOL_BIND, [NID]), bind(made, MPOL_BIND, [0, NID])]).toEqual([
      -EINVAL,
      -EINVAL,
    ]);
    expect([set([NID]), set([0, NID])]).toEqual([-EINVAL, -EINVAL]);
  });

  test('NUMA balancing does not look at its pages, which are not local', () => {
    const scanned = [1, NID].map((nid) => {
      const { machine, task } = residentOn(nid, PAGES);
      write(machine, { '/proc/sys/kernel/numa_balancing': '3' });
      return [machine.numaScan.scanAll(task.struct), machine.vmstat().numa_pte_updates];
    });
    expect(scanned).toEqual([
      [PAGES, PAGES],
      [0, 0],
    ]);
  });

  test('reclaim for a request that walks its list passes it by', () => {
    const told = both((made) => {
      const { machine } = made;
      const held: number[] = [];
      machine.folios.addHolder(() => held);
      const gfp = GFP_HIGHUSER_MOVABLE | __GFP_PRIVATE | __GFP_RETRY_MAYFAIL;
      for (let pfn = 0; pfn >= 0; ) {
        pfn = machine.pageAlloc.alloc({ gfp, order: 0, nid: NID, nodemask: null });
        if (pfn >= 0) held.push(pfn);
      }
      const out = swappedOut(made) > 0;
      for (const pfn of held.splice(0)) machine.folios.put(pfn);
      return out;
    });
    expect(told).toEqual({ dram: true, silent: false });
  });

  test('it is no demotion target', () => {
    const { machine, nodes } = residentOn(NID, PAGES);
    machine.tiers.refresh();
    expect(machine.tiers.preferredOf(0)).not.toContain(NID);
    expect(machine.tiers.lowerTierMask(0)).not.toContain(NID);
    expect(nodes.node_private_flags(NID)).toBe(0);
  });

  test('it has no kswapd, and waking one that was started does nothing', () => {
    const made = residentOn(NID, PAGES);
    const { machine } = made;
    const pgdat = machine.nodes.pgdat(NID);
    expect(pgdat.kswapd.running).toBe(false);
    made.service(KswapdToken).start(NID);
    const [zone] = pgdat.zones;
    if (zone !== undefined) zone.watermarkBoost = zone.managedPages;
    machine.zoneAlloc.wakeupKswapd(NID, 0);
    machine.sleep(5e9);
    expect([pgdat.kswapd.running, nodesOf(made)]).toEqual([true, [NID]]);
  });

  test('compaction leaves it alone', () => {
    const told = both(({ machine, task }) => {
      const nid = machine.nodes.nidOf(machine.ptes.value[machine.ptes.slot(task.mm.id, 0)] ?? 0);
      write(machine, { [`/sys/devices/system/node/node${nid}/compact`]: '1' });
      return machine.vmstat().compact_migrate_scanned > 0;
    });
    expect(told).toEqual({ dram: true, silent: false });
  });

  test('its pages are not pinned for long', () => {
    const told = both((made) => {
      const pinned = made.task.pinLongterm(0);
      const where = pinned < 0 ? pinned : made.machine.nodes.nidOf(pinned);
      if (pinned >= 0) made.task.unpin(pinned);
      return [where, nodesOf(made)];
    });
    expect(told).toEqual({ dram: [0, [0]], silent: [-ENOMEM, [NID]] });
  });

  test('KSM merges none of its pages', () => {
    const told = both((made) => {
      const { machine, task } = made;
      const advised = task.madvise(0, PAGES, MADV_MERGEABLE);
      write(machine, {
        '/sys/kernel/mm/ksm/sleep_millisecs': '1',
        '/sys/kernel/mm/ksm/pages_to_scan': '1000',
        '/sys/kernel/mm/ksm/run': '1',
      });
      machine.sleep(1e9);
      return [advised, Number(machine.pseudoFiles.read('/sys/kernel/mm/ksm/pages_sharing')) > 0];
    });
    expect(told).toEqual({ dram: [0, true], silent: [0, false] });
  });

  test('neither MADV_COLLAPSE nor khugepaged makes a huge page of its pages', () => {
    const told = both((made) => {
      const { machine, task } = made;
      const asked = task.madvise(0, HUGE, MADV_COLLAPSE);
      return [asked, machine.vmstat().thp_collapse_alloc, nodesOf(made).length];
    }, HUGE);
    expect(told).toEqual({ dram: [0, 1, 1], silent: [-EINVAL, 0, 1] });
    const byDaemon = both((made) => {
      const { machine, task } = made;
      write(machine, {
        '/sys/kernel/mm/transparent_hugepage/enabled': 'madvise',
        '/sys/kernel/mm/transparent_hugepage/khugepaged/scan_sleep_millisecs': '10',
      });
      task.madvise(0, HUGE, MADV_HUGEPAGE);
      machine.sleep(2e9);
      return [machine.vmstat().thp_collapse_alloc, nodesOf(made).length];
    }, HUGE);
    expect(byDaemon).toEqual({ dram: [1, 1], silent: [0, 1] });
  });

  test('MADV_COLD, MADV_FREE and MADV_PAGEOUT succeed and do nothing', () => {
    const told = both((made) => {
      const { machine, task } = made;
      const half = PAGES / 2;
      const young = (): number =>
        entries(made).filter((bits) => (bits & PTE_ACCESSED) !== 0).length;
      const cold = [young(), task.madvise(0, PAGES, MADV_COLD), young()];
      const free = task.madvise(0, half, MADV_FREE);
      machine.folios.lruAddDrainAll();
      const lazy = PAGES - flagged(made, PG_swapbacked);
      return {
        cold,
        free: [free, lazy],
        out: [task.madvise(half, half, MADV_PAGEOUT), swappedOut(made)],
      };
    });
    expect(told).toEqual({
      dram: { cold: [PAGES, 0, 0], free: [0, PAGES / 2], out: [0, PAGES / 2] },
      silent: { cold: [PAGES, 0, PAGES], free: [0, 0], out: [0, 0] },
    });
  });

  test('mlock succeeds and locks no page', () => {
    const told = both((made) => {
      const { machine, task } = made;
      const rc = machine.sys.mlock.mlock(task.struct, 0, PAGES * 4096);
      machine.folios.lruAddDrainAll();
      return [rc, flagged(made, PG_mlocked)];
    });
    expect(told).toEqual({ dram: [0, PAGES], silent: [0, 0] });
  });

  test('a page cannot be taken offline softly', () => {
    const told = both(({ machine, task }) => {
      const first = machine.ptes.value[machine.ptes.slot(task.mm.id, 0)] ?? -1;
      return machine.softOffline.softOfflinePage(first);
    });
    expect(told).toEqual({ dram: 0, silent: -EBUSY });
  });

  test('hard poison is handled as always: whoever reads the page is told', () => {
    const told = both(({ machine, task }) => {
      const second = machine.ptes.value[machine.ptes.slot(task.mm.id, 1)] ?? -1;
      task.struct.onPoison = 'signal';
      return [machine.memoryFailure.memoryFailure(second, 0), task.read(0), task.read(1)];
    });
    expect(told).toEqual({ dram: [0, 'ok', 'SIGBUS'], silent: [0, 'ok', 'SIGBUS'] });
  });

  test('unplugging warns once and cannot empty it', () => {
    const made = residentOn(NID, PAGES);
    const { machine, hotplug } = made;
    const warned = (): string | number => machine.pseudoFiles.read('/proc/sys/kernel/tainted');
    const before = warned();
    const rcs = [1, 2].map(() => hotplug.offline_and_remove_private_memory(NID));
    const counts = [...made.service(WarningsToken).counts().values()];
    expect([before, rcs, warned(), counts]).toEqual(['0', [-EBUSY, -EBUSY], '512', [1]]);
    expect(nodesOf(made)).toEqual([NID]);
    machine.verify();
  });
});
