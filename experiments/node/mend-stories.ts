/** What each option that mends RFC v4 changes: a short story with one figure, told either way. */
import type { CramMends } from '@mm-lab/cram';
import {
  MADV_DONTNEED,
  MADV_PAGEOUT,
  type Machine,
  MPOL_BIND,
  MPOL_MF_MOVE,
  PTE_ACCESSED,
  PTE_WRITE,
} from '@mm-lab/mm-core';
import {
  type Mends,
  NP_OPS_DEMOTION,
  NP_OPS_MIGRATION,
  NP_OPS_PROTECT_WRITE,
  NP_OPS_RECLAIM,
} from '@mm-lab/node-private';
import { bind, bytes, fillNode, makeGroup, writer } from './kit.ts';
import { demotionOrder, lateClear, normalMemory, numaMaps, numaStat } from './mend-file-stories.ts';
import {
  BINDING,
  bound,
  C,
  D,
  DRAM,
  FAULTS_MAX,
  grouped,
  moved,
  optOut,
  PAGES,
  scene,
  shared,
  sharedThere,
  touched,
  vpns,
} from './mend-scene.ts';

/** A story: what its figure counts, and the telling. */
export interface Story {
  readonly what: string;
  tell(mends: Mends & CramMends): { readonly machine: Machine; readonly figure: number };
}

/** Swaps the node's pages out by a boost of its marks. */
function reclaimFrees(mends: Mends): ReturnType<Story['tell']> {
  const { machine, cram: service, calls } = scene(mends, 'cram');
  moved(machine, 512);
  service?.cram_set_pressure(C, 1000);
  machine.sleep(10e9);
  return { machine, figure: calls('free_folio') };
}

/**
 * The node is to be emptied, but zswap is full for the group, which may not use the disk behind it:
 * its pages stay in the swap cache, unmapped, until somebody loads them.
 */
function swapIn(mends: Mends): ReturnType<Story['tell']> {
  const { machine, cram: service } = scene(mends, 'cram');
  machine.pseudoFiles.write('/sys/module/zswap/parameters/enabled', 'Y');
  const { task, group } = grouped(machine, PAGES);
  group.write('memory.zswap.max', '0');
  group.write('memory.zswap.writeback', '0');
  task.movePages(vpns(PAGES), C);
  service?.cram_set_pressure(C, 1000);
  machine.sleep(10e9);
  for (const vpn of vpns(PAGES)) task.read(vpn);
  const bits = vpns(PAGES).map((vpn) => machine.ptes.bits[machine.ptes.slot(task.mm.id, vpn)] ?? 0);
  return { machine, figure: bits.filter((entry) => (entry & PTE_WRITE) !== 0).length };
}

function sharedMaps(mends: Mends): ReturnType<Story['tell']> {
  const { machine } = scene(mends, 'cram');
  const { task, first } = sharedThere(machine);
  task.madvise(first, PAGES, MADV_DONTNEED);
  touched(task, first);
  return { machine, figure: machine.usedPages(C) };
}

function teardown(mends: Mends): ReturnType<Story['tell']> {
  const lab = scene(mends, BINDING);
  const { machine, hotplug } = lab;
  moved(machine, PAGES);
  optOut(lab);
  hotplug.offline_and_remove_private_memory(C);
  machine.spend();
  return { machine, figure: machine.usedPages(C) };
}

function kernelPages(mends: Mends): ReturnType<Story['tell']> {
  const { machine } = scene(mends, BINDING);
  const task = machine.createTask('task');
  task.mmap(0, PAGES);
  machine.work.runAs(task.struct);
  machine.sys.setMempolicy.setMempolicy(task.struct, MPOL_BIND, { nodes: [C], maxnode: 64 });
  touched(task);
  return { machine, figure: machine.vmstat().oom_kill };
}

function shmem(mends: Mends): ReturnType<Story['tell']> {
  const { machine } = scene(mends, BINDING);
  const task = machine.createTask('task');
  const first = shared(machine, task);
  bound(machine, task, first);
  return { machine, figure: touched(task, first) };
}

function stalePolicy(mends: Mends): ReturnType<Story['tell']> {
  const lab = scene(mends, BINDING);
  const { machine } = lab;
  const task = machine.createTask('task');
  task.mmap(0, PAGES);
  bound(machine, task);
  optOut(lab);
  touched(task);
  return { machine, figure: machine.usedPages(C) };
}

function mbindMove(mends: Mends): ReturnType<Story['tell']> {
  const { machine, calls } = scene(mends, BINDING);
  const task = writer(machine, 'task', PAGES);
  machine.folios.lruAddDrainAll();
  machine.work.runAs(task.struct);
  const mask = { nodes: [C], maxnode: 64 };
  const range = { start: 0, len: bytes(PAGES) };
  machine.sys.mbind.mbind(task.struct, { ...range, mode: MPOL_BIND, mask, flags: MPOL_MF_MOVE });
  machine.spend();
  return { machine, figure: calls('migrate_to') };
}

function hugeAdvice(mends: Mends): ReturnType<Story['tell']> {
  const lab = scene(mends, NP_OPS_MIGRATION);
  const { machine } = lab;
  machine.pseudoFiles.write('/sys/kernel/mm/transparent_hugepage/enabled', 'always');
  const task = writer(machine, 'task', 512);
  machine.folios.lruAddDrainAll();
  task.movePages([0], C);
  optOut(lab);
  task.madvise(0, 512, MADV_PAGEOUT);
  return { machine, figure: machine.stats()['swap.out'] ?? 0 };
}

function cpusetMoves(mends: Mends): ReturnType<Story['tell']> {
  const { machine } = scene(mends, NP_OPS_MIGRATION);
  const task = writer(machine, 'task', PAGES);
  machine.folios.lruAddDrainAll();
  const group = makeGroup(machine, 'g');
  group.write('cpuset.mems', String(C));
  group.attach(task);
  machine.spend();
  return { machine, figure: machine.usedPages(C) };
}

function hotAdd(mends: Mends): ReturnType<Story['tell']> {
  const { machine, privateNodes } = scene(mends, null);
  privateNodes.node_private_register(D, { name: 'another driver' });
  machine.hotplug.onlinePages(D, null);
  machine.spend();
  return { machine, figure: machine.nodes.pgdat(D).managedPages() };
}

function blockedTarget(mends: Mends): ReturnType<Story['tell']> {
  const demoting = NP_OPS_MIGRATION | NP_OPS_DEMOTION;
  const { machine, privateNodes } = scene(mends, demoting, demoting);
  const owner = privateNodes.ownerOfNode(C);
  if (owner !== null) owner.migrationBlocked = true;
  const { group } = grouped(machine, 256);
  group.write('memory.reclaim', '512K');
  machine.spend();
  return { machine, figure: machine.usedPages(D) };
}

/** Writes a limit below what the group has on the node. */
function groupReclaim(mends: Mends): ReturnType<Story['tell']> {
  const { machine } = scene(mends, NP_OPS_MIGRATION | NP_OPS_RECLAIM);
  const { task, group } = grouped(machine, 512);
  task.movePages(vpns(512), C);
  group.write('memory.max', '1M');
  machine.spend();
  return { machine, figure: machine.vmstat().oom_kill };
}

function entryCap(mends: CramMends): ReturnType<Story['tell']> {
  const { machine, cram: service } = scene(mends, 'cram');
  const { group } = grouped(machine, 800);
  service?.cram_set_pressure(C, 500);
  group.write('memory.reclaim', '3M');
  machine.spend();
  return { machine, figure: machine.vmstat().pgdemote_proactive };
}

/** One store to the node while DRAM is full; the kernel would go on where this gives up. */
function fullDram(mends: CramMends): ReturnType<Story['tell']> {
  const { machine } = scene(mends, 'cram');
  machine.pseudoFiles.write('/sys/kernel/mm/numa/demotion_enabled', '0');
  const task = moved(machine, 8);
  writer(machine, 'hog', 60);
  fillNode(machine, DRAM);
  let faults = 0;
  machine.tracepoints.mm_fault.on(() => {
    if (++faults >= FAULTS_MAX) throw new Error('it would go on');
  });
  try {
    task.write(0);
  } catch {
    // It would go on: the figure says so.
  }
  machine.spend();
  return { machine, figure: faults };
}

/** Shared pages go to the node, where write(2) changes them without a fault (row 27). */
function fileEntry(mends: CramMends): ReturnType<Story['tell']> {
  const { machine } = scene(mends, 'cram');
  sharedThere(machine);
  return { machine, figure: machine.usedPages(C) };
}

/** Pages that write(2) changes where they are, on the node (row 27). */
function bufferedWrites(mends: Mends): ReturnType<Story['tell']> {
  const { machine } = scene(mends, 'cram');
  sharedThere(machine);
  for (const file of machine.files.all()) {
    for (const index of file.pages.keys()) machine.filemap.write(file, index, DRAM);
  }
  machine.spend();
  return { machine, figure: machine.usedPages(C) };
}

/** Loads that fault for the accessed bit, as hardware without one takes them (row 19). */
function readFaults(mends: CramMends): ReturnType<Story['tell']> {
  const { machine } = scene(mends, 'cram');
  const task = moved(machine, PAGES);
  const before = machine.usedPages(C);
  machine.work.runAs(task.struct);
  for (const vpn of vpns(PAGES)) {
    const slot = machine.ptes.find(task.mm.id, vpn);
    machine.ptes.bits[slot] = (machine.ptes.bits[slot] ?? 0) & ~PTE_ACCESSED;
    machine.memory.handleMmFault(task.mm, vpn, false, task.nid);
  }
  machine.spend();
  return { machine, figure: before - machine.usedPages(C) };
}

/** More is written to an area bound to the node than it holds. */
function overflow(mends: Mends): ReturnType<Story['tell']> {
  const { machine } = scene(mends, BINDING);
  const task = machine.createTask('task');
  const pages = 1200;
  task.mmap(0, pages);
  bind(machine, task, { start: 0, pages, mode: MPOL_BIND, nodes: [C] });
  for (let vpn = 0; vpn < pages && task.alive; vpn++) task.write(vpn);
  return { machine, figure: machine.vmstat().oom_kill };
}

/** One private node is full; the other, which the policy names too, is not. */
function policyReach(mends: Mends): ReturnType<Story['tell']> {
  const { machine } = scene(mends, BINDING, BINDING);
  const task = machine.createTask('task');
  const pages = 1200;
  task.mmap(0, pages);
  bind(machine, task, { start: 0, pages, mode: MPOL_BIND, nodes: [C, D] });
  for (let vpn = 0; vpn < pages && task.alive; vpn++) task.write(vpn);
  return { machine, figure: machine.usedPages(D) };
}

/** A service that asks for the fence and forgot who answers at it. */
function obligations(mends: Mends): ReturnType<Story['tell']> {
  const { machine, privateNodes, moving } = scene(mends, null);
  const flags = NP_OPS_MIGRATION | NP_OPS_PROTECT_WRITE;
  privateNodes.node_private_set_ops(C, { ...moving, flags });
  const task = moved(machine, PAGES);
  touched(task);
  return { machine, figure: machine.usedPages(C) };
}

/** Poison in a page that nobody has. */
function poisonNotice(mends: Mends): ReturnType<Story['tell']> {
  const { machine, privateNodes } = scene(mends, null);
  let unheld = 0;
  privateNodes.node_private_set_ops(C, {
    flags: 0,
    memory_failure: (folio) => {
      if (machine.table.refcount[folio] === 0) unheld++;
    },
  });
  machine.memoryFailure.memoryFailure(machine.nodes.pgdat(C).base, 0);
  machine.spend();
  return { machine, figure: unheld };
}

/** A service keeps what a group gave back, to scrub it later. */
function keptFolios(mends: Mends): ReturnType<Story['tell']> {
  const { machine, privateNodes, moving } = scene(mends, null);
  const kept: number[] = [];
  machine.folios.addHolder(() => kept);
  privateNodes.node_private_set_ops(C, {
    ...moving,
    flags: NP_OPS_MIGRATION,
    free_folio: (folio) => {
      machine.folios.resurrect(folio);
      kept.push(folio);
      return true;
    },
  });
  const { task } = grouped(machine, PAGES);
  task.movePages(vpns(PAGES), C);
  task.munmap(0, PAGES);
  machine.spend();
  return { machine, figure: kept.filter((pfn) => machine.table.memcg[pfn] !== 0).length };
}

export const STORIES: Readonly<Record<keyof Mends | keyof CramMends, Story>> = {
  reclaimFrees: { what: '`free_folio` for pages that swap took off the node', tell: reclaimFrees },
  swapIn: { what: 'writable entries behind the fence', tell: swapIn },
  sharedMaps: { what: 'stores that changed the device', tell: sharedMaps },
  teardown: { what: 'pages stranded', tell: teardown },
  kernelPages: { what: 'OOM kills with DRAM free', tell: kernelPages },
  shmem: { what: 'of 64 pages stored to before the task dies', tell: shmem },
  stalePolicy: { what: 'pages on a node that opted out', tell: stalePolicy },
  mbindMove: { what: 'calls of `migrate_to` for 64 pages', tell: mbindMove },
  hugeAdvice: { what: 'pages swapped out of a node without ops', tell: hugeAdvice },
  cpusetMoves: { what: 'pages that came with a cpuset', tell: cpusetMoves },
  hotAdd: { what: 'ordinary pages that became private', tell: hotAdd },
  blockedTarget: { what: 'pages demoted to the next node', tell: blockedTarget },
  groupReclaim: { what: 'OOM kills by memory.max', tell: groupReclaim },
  overflow: { what: 'OOM kills by an area larger than its node', tell: overflow },
  policyReach: { what: 'pages on the second of two nodes of a mask', tell: policyReach },
  obligations: { what: 'stores behind a fence that nobody guards', tell: obligations },
  poisonNotice: { what: 'notices of poison while nobody holds the page', tell: poisonNotice },
  numaMaps: { what: 'of 64 resident pages not in numa_maps', tell: numaMaps },
  numaStat: { what: 'of 64 charged pages not in memory.numa_stat', tell: numaStat },
  normalMemory: { what: 'nodes with normal memory and without memory', tell: normalMemory },
  demotionOrder: { what: 'of 256 pages, below an older one after demotion', tell: demotionOrder },
  lateClear: { what: 'warnings when the memory goes before the ops', tell: lateClear },
  keptFolios: { what: 'pages charged to the group that freed them', tell: keptFolios },
  entryCap: { what: 'of 800 pages demoted at pressure 500, 1024 on the node', tell: entryCap },
  fullDram: { what: 'faults of one store (given up at 50)', tell: fullDram },
  fileEntry: { what: 'shared pages where write(2) changes them in place', tell: fileEntry },
  bufferedWrites: { what: 'of 64 shared pages changed in place by write(2)', tell: bufferedWrites },
  readFaults: { what: 'of 64 pages promoted by loads that fault', tell: readFaults },
};
