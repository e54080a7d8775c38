/** Services that a program sees: access, fork, pins, advice, failures, and devices. */
import {
  GFP_USER,
  MADV_COLD,
  MADV_COLLAPSE,
  MADV_FREE,
  MADV_MERGEABLE,
  MADV_PAGEOUT,
  PG_mlocked,
  PG_swapbacked,
  PROT_READ,
  PROT_WRITE,
  PTE_WRITE,
  Task,
  VM_FAULT_SIGBUS,
  VM_HUGEPAGE,
  type VmFault,
} from '@mm-lab/mm-core';
import { NP_OPS_LONGTERM_PIN, NP_OPS_MIGRATION, NP_OPS_PROTECT_WRITE } from '@mm-lab/node-private';
import { outcome } from '../../node/kit.ts';
import { type Bench, DEVICE, DRAM, frameOf, HUGE, PAGES, places, where } from './bench.ts';
import type { Service } from './service.ts';

const MIGRATION = { flags: NP_OPS_MIGRATION } as const;

/** What one access does: faults, and where the page is then. */
function access(bench: Bench, write: boolean): string {
  const { machine, task } = bench;
  const before = machine.stats()['vmstat.pgfault'] ?? 0;
  if (write) task.write(0);
  else task.read(0);
  const faults = (machine.stats()['vmstat.pgfault'] ?? 0) - before;
  if (bench.calls('handle_fault') > 0) return 'driver asked';
  return `${faults > 0 ? 'fault' : 'no fault'}, ${where(bench, task, 0)}`;
}

/** A service that takes no store. */
function refused(_folio: number, vmf: VmFault): number {
  vmf.unlock();
  return VM_FAULT_SIGBUS;
}

function bitsOf({ machine }: Bench, task: Task, vpn: number): number {
  return machine.ptes.bits[machine.ptes.find(task.mm.id, vpn)] ?? 0;
}

function isWritable(bench: Bench, task: Task): boolean {
  return (bitsOf(bench, task, 0) & PTE_WRITE) !== 0;
}

function advise(bench: Bench, advice: number): string {
  const rc = bench.task.madvise(0, PAGES, advice);
  bench.machine.sleep(1e8);
  return rc < 0 ? String(outcome(rc)) : places(bench, bench.task);
}

const SKIPPED = ['16 device', '16 device', '16 device'] as const;

export const PROGRAM_SERVICES: readonly Service[] = [
  {
    name: 'CPU load',
    spec: ['fault, RAM', 'no fault, device', 'no fault, device'],
    run: (bench) => access(bench, false),
  },
  {
    name: 'CPU store',
    flag: 'PROTECT_WRITE, handle_fault',
    optIn: {
      flags: NP_OPS_MIGRATION | NP_OPS_PROTECT_WRITE,
      ops: { handle_fault: refused },
    },
    spec: ['fault, RAM', 'no fault, device', 'no fault, device', 'driver asked'],
    run: (bench) => access(bench, true),
  },
  {
    name: 'short reference (FOLL_GET)',
    spec: ['RAM', 'device', 'device'],
    run: (bench) => {
      const { machine, task } = bench;
      const pfn = machine.gup.getUserPage(task.mm, 0, DRAM);
      if (typeof pfn !== 'number' || pfn < 0) return 'refused';
      const place = machine.nodes.nidOf(pfn) === DEVICE ? 'device' : 'RAM';
      machine.folios.put(pfn);
      return place;
    },
  },
  {
    name: 'long-term pin',
    flag: 'LONGTERM_PIN',
    optIn: { flags: NP_OPS_MIGRATION | NP_OPS_LONGTERM_PIN },
    spec: ['RAM', 'RAM', 'ENOMEM', 'device'],
    run: (bench) => {
      const pfn = bench.task.pinLongterm(0);
      if (pfn < 0) return String(outcome(pfn));
      const place = where(bench, bench.task, 0);
      bench.task.unpin(pfn);
      return place;
    },
  },
  {
    name: 'mlock',
    why: 'what mlock faults in is new in RAM, and reclaim will lock it; a kernel does the same',
    spec: ['16 RAM, 16 locked', '16 device, 0 locked', '16 device, 0 locked'],
    run: (bench) => {
      bench.task.mlock(0, PAGES);
      const frames = [...Array(PAGES).keys()].map((vpn) => frameOf(bench, bench.task, vpn));
      const { table } = bench.machine;
      const counted = frames.filter((frame) => table.has(frame, PG_mlocked)).length;
      return `${places(bench, bench.task)}, ${counted} locked`;
    },
  },
  {
    name: 'KSM',
    spec: ['none merged', 'none merged', 'none merged'],
    run: (bench) => {
      const { machine, task } = bench;
      task.madvise(0, PAGES, MADV_MERGEABLE);
      machine.pseudoFiles.write('/sys/kernel/mm/ksm/run', '1');
      machine.sleep(2e9);
      const shared = Number(machine.pseudoFiles.read('/sys/kernel/mm/ksm/pages_shared'));
      return shared > 0 ? 'merged' : 'none merged';
    },
  },
  {
    name: 'MADV_COLLAPSE',
    sysctl: { thp_enabled: 'madvise' },
    pages: HUGE,
    spec: ['collapsed in RAM', 'EINVAL', 'EINVAL'],
    run: (bench) => {
      const rc = bench.task.madvise(0, HUGE, MADV_COLLAPSE);
      if (rc < 0) return String(outcome(rc));
      return `collapsed in ${where(bench, bench.task, 0)}`;
    },
  },
  {
    name: 'MADV_COLD',
    spec: SKIPPED,
    run: (bench) => advise(bench, MADV_COLD),
  },
  {
    name: 'MADV_PAGEOUT',
    spec: SKIPPED,
    run: (bench) => advise(bench, MADV_PAGEOUT),
  },
  {
    name: 'MADV_PAGEOUT of a huge page',
    why: 'a defect of v4, in a kernel with the series too: the huge branch does not ask',
    sysctl: { thp_enabled: 'always' },
    pages: HUGE,
    extra: VM_HUGEPAGE,
    spec: ['512 device', '512 device', '512 device'],
    run: (bench) => {
      bench.task.madvise(0, HUGE, MADV_PAGEOUT);
      return places(bench, bench.task, HUGE);
    },
  },
  {
    name: 'MADV_FREE',
    spec: ['kept', 'kept', 'kept'],
    run: (bench) => {
      bench.task.madvise(0, PAGES, MADV_FREE);
      bench.machine.folios.lruAddDrainAll();
      const frame = frameOf(bench, bench.task, 0);
      return bench.machine.table.has(frame, PG_swapbacked) ? 'kept' : 'may be dropped';
    },
  },
  {
    name: 'fork',
    spec: ['read entries', 'read entries', 'read entries'],
    run: (bench) => {
      const child = bench.task.fork('child');
      if (!(child instanceof Task)) return 'failed';
      const writable = [bench.task, child].filter((task) => isWritable(bench, task));
      return writable.length === 0 ? 'read entries' : 'write entries';
    },
  },
  {
    name: 'copy-on-write lands in',
    spec: ['RAM', 'RAM', 'RAM'],
    run: (bench) => {
      const child = bench.task.fork('child');
      if (!(child instanceof Task)) return 'failed';
      child.write(0);
      return where(bench, child, 0);
    },
  },
  {
    name: 'mprotect back to writable',
    flag: 'PROTECT_WRITE, handle_fault',
    optIn: {
      flags: NP_OPS_MIGRATION | NP_OPS_PROTECT_WRITE,
      ops: { handle_fault: refused },
    },
    spec: ['not upgraded', 'upgraded', 'upgraded', 'not upgraded'],
    run: (bench) => {
      bench.task.mprotect(0, PAGES, PROT_READ);
      bench.task.mprotect(0, PAGES, PROT_READ | PROT_WRITE);
      return isWritable(bench, bench.task) ? 'upgraded' : 'not upgraded';
    },
  },
  {
    name: 'OOM victim with all its pages there',
    spec: ['chosen', 'chosen', 'chosen'],
    run: ({ machine, task }) => {
      const other = machine.createTask('other');
      other.mmap(0, 1);
      other.write(0);
      machine.oom.outOfMemory({ gfp: GFP_USER, order: 0, nid: DRAM, nodemask: null });
      return machine.oom.isVictim(task.mm.id) ? 'chosen' : 'spared';
    },
  },
  {
    name: 'memory failure',
    why: 'mf_generic_kill_procs gives up on what is no DAX page before it looks at the type',
    flag: 'memory_failure',
    optIn: { flags: NP_OPS_MIGRATION, ops: { memory_failure: () => undefined } },
    spec: ['ENXIO', 'ENXIO', 'handled', 'handled, driver told'],
    run: (bench) => {
      const rc = bench.machine.memoryFailure.memoryFailure(frameOf(bench, bench.task, 0), 0);
      const told = bench.calls('memory_failure') > 0 ? ', driver told' : '';
      return rc < 0 ? `${outcome(rc)}${told}` : `handled${told}`;
    },
  },
  {
    name: 'soft offline',
    flag: 'MIGRATION',
    optIn: MIGRATION,
    spec: ['EIO', 'EIO', 'EBUSY', '0'],
    run: (bench) =>
      String(outcome(bench.machine.softOffline.softOfflinePage(frameOf(bench, bench.task, 0)))),
  },
  {
    name: 'a driver’s look (hmm_range_fault)',
    spec: ['own', 'own', 'ordinary'],
    run: (bench) => bench.snapshot(0, 1)[0] ?? 'nothing',
  },
  {
    name: 'exclusive access of a device',
    resident: false,
    spec: ['granted', 'granted', 'granted'],
    run: (bench) => (bench.makeExclusive(0) < 0 ? 'refused' : 'granted'),
  },
  {
    name: 'exclusive access to a page there',
    spec: ['granted, RAM', null, null],
    run: (bench) => {
      const rc = bench.makeExclusive(0);
      return rc < 0 ? String(outcome(rc)) : `granted, ${where(bench, bench.task, 0)}`;
    },
  },
];
