/** Services about where memory comes from, where it goes, and who keeps it in order. */
import {
  __GFP_HIGHMEM,
  __GFP_MOVABLE,
  __GFP_THISNODE,
  GFP_HIGHUSER_MOVABLE,
  MADV_DONTNEED,
  PG_lru,
  type Task,
  VM_HUGEPAGE,
} from '@mm-lab/mm-core';
import {
  GFP_PRIVATE,
  NP_OPS_COMPACTION,
  NP_OPS_DEMOTION,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  NP_OPS_RECLAIM,
} from '@mm-lab/node-private';
import { bytes, type Group, makeGroup, outcome } from '../../node/kit.ts';
import { type Bench, DEVICE, fill, frameOf, HUGE, PAGES, places, where } from './bench.ts';
import type { Service } from './service.ts';

const REQUEST = { order: 0, nid: DEVICE, nodemask: null };
const THP = { thp_enabled: 'always' } as const;

/** Pages that the buddy allocator has given out on the device. */
function buddyUsed({ machine }: Bench): number {
  return machine.nodes.pgdat(DEVICE).managedPages() === 0 ? 0 : machine.usedPages(DEVICE);
}

/** A task in a group of its own, with its pages in RAM. */
function memberOf({ machine }: Bench): { readonly group: Group; readonly member: Task } {
  const group = makeGroup(machine, 'g');
  const member = machine.createTask('member');
  group.attach(member);
  fill(member, PAGES);
  machine.folios.lruAddDrainAll();
  return { group, member };
}

/** Takes what there is under the mark that starts reclaim. @returns pages swapped out meanwhile */
function pressNode(bench: Bench): string {
  const { machine, task } = bench;
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  const gfp = GFP_HIGHUSER_MOVABLE | GFP_PRIVATE | __GFP_THISNODE;
  for (let tries = 0; tries < 16 * HUGE; tries++) {
    const pfn = machine.pageAlloc.alloc({ ...REQUEST, gfp });
    if (pfn < 0) break;
    held.push(pfn);
  }
  return places(bench, task);
}

export const MEMORY_SERVICES: readonly Service[] = [
  {
    name: 'pages under the buddy allocator',
    spec: ['none', 'none', 'all'],
    run: ({ machine }) => (machine.nodes.pgdat(DEVICE).managedPages() > 0 ? 'all' : 'none'),
  },
  {
    name: 'request with `__GFP_PRIVATE` for the node',
    spec: ['refused', 'refused', 'served'],
    run: ({ machine }) => {
      const gfp = GFP_PRIVATE | __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_THISNODE;
      const pfn = machine.zoneAlloc.alloc({ ...REQUEST, gfp });
      if (pfn < 0) return 'refused';
      machine.folios.put(pfn);
      return 'served';
    },
  },
  {
    name: 'ordinary request for the node alone',
    spec: ['refused', 'refused', 'refused'],
    run: ({ machine }) => {
      const gfp = GFP_HIGHUSER_MOVABLE | __GFP_THISNODE;
      const pfn = machine.zoneAlloc.alloc({ ...REQUEST, gfp });
      if (pfn < 0) return 'refused';
      machine.folios.put(pfn);
      return 'served';
    },
  },
  {
    name: 'node states that show it',
    flag: 'MEMPOLICY',
    optIn: { flags: NP_OPS_MIGRATION | NP_OPS_MEMPOLICY },
    spec: ['none', 'none', 'online, has_private_memory', 'online, has_private_memory, has_memory'],
    run: ({ machine }) => {
      const states = ['online', 'has_private_memory', 'has_memory'].filter((state) => {
        const list = String(machine.pseudoFiles.read(`/sys/devices/system/node/${state}`));
        return list.trim().endsWith(String(DEVICE));
      });
      return states.length === 0 ? 'none' : states.join(', ');
    },
  },
  {
    name: 'last unmap',
    flag: 'free_folio',
    optIn: { flags: NP_OPS_MIGRATION, ops: { free_folio: () => false } },
    spec: ['to the driver', 'to the driver', 'to the buddy', 'to the buddy, driver told'],
    run: (bench) => {
      const before = buddyUsed(bench);
      bench.task.madvise(0, PAGES, MADV_DONTNEED);
      bench.machine.folios.lruAddDrainAll();
      const told = bench.calls('free_folio') > 0;
      if (buddyUsed(bench) === before) return told ? 'to the driver' : 'lost';
      return told ? 'to the buddy, driver told' : 'to the buddy';
    },
  },
  {
    name: 'order of a folio of a huge page there',
    sysctl: THP,
    pages: HUGE,
    extra: VM_HUGEPAGE,
    spec: ['9', '0', '9'],
    run: (bench) => {
      if (where(bench, bench.task, 0) !== 'device') return 'in RAM';
      return String(bench.machine.table.order[frameOf(bench, bench.task, 0)] ?? 0);
    },
  },
  {
    name: 'split of that folio',
    sysctl: THP,
    pages: HUGE,
    extra: VM_HUGEPAGE,
    flag: 'folio_split',
    optIn: { flags: NP_OPS_MIGRATION, ops: { folio_split: () => undefined } },
    spec: ['driver told', 'none to split', 'driver not told', 'driver told'],
    run: (bench) => {
      const { machine, huge, task } = bench;
      const folio = frameOf(bench, task, 0);
      if ((machine.table.order[folio] ?? 0) === 0) return 'none to split';
      const isOnList = machine.table.has(folio, PG_lru);
      if (isOnList) {
        machine.folios.isolateLru(folio);
        for (const part of [folio, ...(huge.splitFolio(folio) ?? [])]) {
          machine.folios.putbackLru(part);
        }
      } else {
        machine.folios.trylock(folio);
        machine.folios.get(folio);
        for (const part of [folio, ...(huge.splitHeld(folio) ?? [])]) {
          machine.folios.unlock(part);
          machine.folios.put(part);
        }
      }
      if ((machine.table.order[folio] ?? 0) > 0) return 'refused';
      return bench.calls('folio_split') > 0 ? 'driver told' : 'driver not told';
    },
  },
  {
    name: 'LRU list',
    spec: ['no', 'no', 'yes'],
    run: (bench) => {
      const frame = frameOf(bench, bench.task, 0);
      return bench.machine.table.has(frame, PG_lru) ? 'yes' : 'no';
    },
  },
  {
    name: 'reclaim when the device is full',
    flag: 'RECLAIM',
    optIn: { flags: NP_OPS_MIGRATION | NP_OPS_RECLAIM },
    spec: ['16 device', '16 device', '16 device', '16 swap'],
    run: (bench) => pressNode(bench),
  },
  {
    name: 'memory.reclaim of the group',
    flag: 'RECLAIM',
    optIn: { flags: NP_OPS_MIGRATION | NP_OPS_RECLAIM },
    spec: ['16 device', '16 device', '16 device', null],
    resident: false,
    run: (bench) => {
      const { group, member } = memberOf(bench);
      bench.toDevice(member, PAGES);
      group.write('memory.reclaim', String(bytes(PAGES)));
      return places(bench, member);
    },
  },
  {
    name: 'demotion to it',
    flag: 'DEMOTION',
    optIn: { flags: NP_OPS_MIGRATION | NP_OPS_DEMOTION },
    sysctl: { demotion_enabled: true },
    resident: false,
    spec: ['none came', 'none came', 'none came', 'pages came'],
    run: (bench) => {
      const { group, member } = memberOf(bench);
      group.write('memory.reclaim', String(bytes(PAGES)));
      const came = [...Array(PAGES).keys()].some((vpn) => where(bench, member, vpn) === 'device');
      return came ? 'pages came' : 'none came';
    },
  },
  {
    name: 'compaction of the node',
    flag: 'COMPACTION',
    optIn: { flags: NP_OPS_MIGRATION | NP_OPS_COMPACTION },
    pages: 3 * HUGE,
    spec: ['none moved', 'none moved', 'none moved', 'some moved'],
    run: (bench) => {
      const { machine, task } = bench;
      const kept: number[] = [];
      for (let vpn = 0; vpn < 3 * HUGE; vpn += 2) {
        task.madvise(vpn, 1, MADV_DONTNEED);
        kept.push(vpn + 1);
      }
      const before = kept.map((vpn) => frameOf(bench, task, vpn));
      const path = `/sys/devices/system/node/node${DEVICE}/compact`;
      machine.pseudoFiles.write(path, '1');
      const moved = kept.filter((vpn, at) => frameOf(bench, task, vpn) !== before[at]);
      return moved.length > 0 ? 'some moved' : 'none moved';
    },
  },
  {
    name: 'charge to the group',
    spec: ['16 pages', '16 pages', '16 pages'],
    resident: false,
    run: (bench) => {
      const { group, member } = memberOf(bench);
      bench.toDevice(member, PAGES);
      const stat = String(group.read('memory.stat'));
      const anon = Number(/^anon (\d+)/m.exec(stat)?.[1] ?? 0);
      return `${anon / bytes(1)} pages`;
    },
  },
  {
    name: 'removal with pages in use',
    flag: 'MIGRATION',
    optIn: { flags: NP_OPS_MIGRATION },
    spec: ['EBUSY', 'EBUSY', 'EBUSY', 'moved to RAM'],
    run: (bench) => {
      const rc = bench.unplug();
      return rc < 0 ? String(outcome(rc)) : `moved to ${where(bench, bench.task, 0)}`;
    },
  },
];
