/** Services that place pages or say where they are: system calls and files of /proc. */
import { MPOL_BIND, MPOL_MF_MOVE } from '@mm-lab/mm-core';
import { NP_OPS_MEMPOLICY, NP_OPS_MIGRATION, NP_OPS_NUMA_BALANCING } from '@mm-lab/node-private';
import { bytes, outcome } from '../../node/kit.ts';
import { DEVICE, DRAM, PAGES, places, where } from './bench.ts';
import type { Service } from './service.ts';

const VPNS = [...Array(PAGES).keys()];
const MIGRATION = { flags: NP_OPS_MIGRATION } as const;
const MEMPOLICY = { flags: NP_OPS_MIGRATION | NP_OPS_MEMPOLICY } as const;
const mask = (nid: number) => ({ nodes: [nid], maxnode: 64 });

const SKIPPED = ['16 device', '16 device', '16 device'] as const;

export const PLACEMENT_SERVICES: readonly Service[] = [
  {
    name: 'NUMA balancing',
    flag: 'NUMA_BALANCING',
    optIn: { flags: NP_OPS_MIGRATION | NP_OPS_NUMA_BALANCING },
    sysctl: { numa_balancing: 1 },
    spec: ['not marked', 'not marked', 'not marked', 'marked'],
    run: ({ machine, task }) => {
      const marked = machine.numaScan.scanAll(task.struct);
      return marked > 0 ? 'marked' : 'not marked';
    },
  },
  {
    name: 'move_pages: where is it?',
    flag: 'MIGRATION',
    optIn: MIGRATION,
    spec: ['ENOENT', 'ENOENT', 'ENOENT', 'node 1'],
    run: ({ task }) => {
      const found = task.where([0])[0] ?? 0;
      return found < 0 ? String(outcome(found)) : `node ${found}`;
    },
  },
  {
    name: 'move_pages from it',
    flag: 'MIGRATION',
    optIn: MIGRATION,
    spec: [...SKIPPED, '16 RAM'],
    run: (bench) => {
      bench.task.movePages(VPNS, DRAM);
      return places(bench, bench.task);
    },
  },
  {
    name: 'move_pages to it',
    flag: 'MIGRATION',
    optIn: MIGRATION,
    resident: false,
    spec: ['ENODEV', 'ENODEV', 'ENODEV', '16 device'],
    run: (bench) => {
      const { rc } = bench.task.movePages(VPNS, DEVICE);
      return rc < 0 ? String(outcome(rc)) : places(bench, bench.task);
    },
  },
  {
    name: 'migrate_pages from it',
    flag: 'MIGRATION',
    optIn: MIGRATION,
    spec: [...SKIPPED, '16 RAM'],
    run: (bench) => {
      const { machine, task } = bench;
      const args = { pid: 0, from: mask(DEVICE), to: mask(DRAM) };
      machine.sys.migratePages.migratePages(task.struct, args);
      return places(bench, task);
    },
  },
  {
    name: 'mbind with MOVE to RAM',
    flag: 'MIGRATION',
    optIn: MIGRATION,
    spec: [...SKIPPED, null],
    run: (bench) => {
      const range = { start: 0, len: bytes(PAGES) };
      const args = { ...range, mode: MPOL_BIND, mask: mask(DRAM), flags: MPOL_MF_MOVE };
      bench.machine.sys.mbind.mbind(bench.task.struct, args);
      return places(bench, bench.task);
    },
  },
  {
    name: 'mbind to the node',
    flag: 'MEMPOLICY',
    optIn: MEMPOLICY,
    resident: false,
    spec: ['EINVAL', 'EINVAL', 'EINVAL', '16 device'],
    run: (bench) => {
      const { machine, task } = bench;
      task.mmap(PAGES, PAGES);
      const range = { start: bytes(PAGES), len: bytes(PAGES) };
      const args = { ...range, mode: MPOL_BIND, mask: mask(DEVICE), flags: 0 };
      const rc = machine.sys.mbind.mbind(task.struct, args);
      if (rc < 0) return String(outcome(rc));
      for (const vpn of VPNS) task.write(PAGES + vpn);
      const there = VPNS.filter((vpn) => where(bench, task, PAGES + vpn) === 'device');
      return `${there.length} device`;
    },
  },
  {
    name: 'set_mempolicy to the node',
    flag: 'MEMPOLICY',
    optIn: MEMPOLICY,
    resident: false,
    spec: ['EINVAL', 'EINVAL', 'EINVAL', '0'],
    run: ({ machine, task }) =>
      String(outcome(machine.sys.setMempolicy.setMempolicy(task.struct, MPOL_BIND, mask(DEVICE)))),
  },
  {
    name: 'numa_maps',
    spec: ['absent', 'absent', 'absent'],
    run: ({ machine, task }) =>
      machine.numaMaps.lines(task.struct).some((line) => line.includes('anon='))
        ? 'counted'
        : 'absent',
  },
  {
    name: 'smaps Rss',
    spec: ['16 pages', '16 pages', '16 pages'],
    run: ({ machine, task }) => {
      const vma = task.mm.find(0);
      return vma === null ? 'none' : `${machine.proc.smaps.gather(task.mm, vma).rss} pages`;
    },
  },
  {
    name: 'pagemap',
    spec: ['swap bit', 'present', 'present'],
    run: ({ machine, task }) => {
      const { present, swapped } = machine.proc.pagemap.read(task.mm, 0);
      if (present) return 'present';
      return swapped ? 'swap bit' : 'nothing';
    },
  },
  {
    name: 'mincore',
    spec: ['resident', 'resident', 'resident'],
    run: ({ machine, task }) => {
      const vec: number[] = [];
      machine.sys.mincore.mincore(task.struct, 0, bytes(1), vec);
      return vec[0] === 1 ? 'resident' : 'absent';
    },
  },
  {
    name: 'migrate_vma by owner',
    spec: ['16 entries', '16 entries', '0 entries'],
    run: (bench) => `${bench.collect(PAGES)} entries`,
  },
];
