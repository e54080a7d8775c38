/** The machines and programs of the stories of mends. */
import { type Cram, type CramMends, CramToken, cram } from '@mm-lab/cram';
import {
  MAP_ANONYMOUS,
  MAP_SHARED,
  type Machine,
  MPOL_BIND,
  type Plugin,
  PROT_READ,
  PROT_WRITE,
  type Task,
  zramSwap,
} from '@mm-lab/mm-core';
import { type Mending, type Mends, NP_OPS_MEMPOLICY, NP_OPS_MIGRATION } from '@mm-lab/node-private';
import { bind, bytes, type Group, makeGroup, type PrivateLab, privateLab, writer } from './kit.ts';

export const DRAM = 0;
export const C = 1;
export const D = 2;
export const PAGES = 64;
export const FAULTS_MAX = 50;
export const BINDING = NP_OPS_MIGRATION | NP_OPS_MEMPOLICY;

export interface Scene extends PrivateLab {
  readonly cram: Cram | null;
}

export type Guard = number | null | 'cram';

const OF_CRAM: readonly string[] = [
  'entryCap',
  'fullDram',
  'fileEntry',
  'readFaults',
] satisfies readonly (keyof CramMends)[];

/** The options of CRAM, or those of the node; each plugin refuses the other's. */
function partOf(mends: Mends & CramMends, isOfCram: boolean): Readonly<Record<string, Mending>> {
  const entries = Object.entries(mends);
  return Object.fromEntries(entries.filter(([name]) => OF_CRAM.includes(name) === isOfCram));
}

/** DRAM and two nodes; C is served as told, D only if it is told too. */
export function scene(mends: Mends & CramMends, guard: Guard, other: Guard = null): Scene {
  const found: { cram?: Cram } = {};
  const peek: Plugin = {
    name: 'peek',
    probe: (services) => {
      found.cram = services.get(CramToken);
    },
  };
  const hasCram = guard === 'cram';
  const lab = privateLab({
    nodes: [
      { id: DRAM, pages: 1024, cpus: 1 },
      { id: C, pages: 1024, online: false, lineNs: 300 },
      { id: D, pages: 1024, online: false, lineNs: 300 },
    ],
    distances: [
      [10, 20, 30],
      [20, 10, 30],
      [30, 30, 10],
    ],
    services: [
      { nid: C, flags: guard === 'cram' ? null : guard },
      ...(typeof other === 'number' ? [{ nid: D, flags: other }] : []),
    ],
    sysctl: { demotion_enabled: true },
    nodePrivate: partOf(mends, false),
    plugins: [
      ...(hasCram ? [cram(partOf(mends, true)), peek] : []),
      zramSwap({ pages: 4096, codec: 'lz4' }),
    ],
  });
  found.cram?.cram_register_private_node(C, lab, null);
  return { ...lab, cram: found.cram ?? null };
}

export const vpns = (pages: number): number[] => Array.from({ length: pages }, (_, vpn) => vpn);

export function moved(machine: Machine, pages: number): Task {
  const task = writer(machine, 'task', pages);
  machine.folios.lruAddDrainAll();
  task.movePages(vpns(pages), C);
  return task;
}

export function bound(machine: Machine, task: Task, start = 0): number {
  return bind(machine, task, { start, pages: PAGES, mode: MPOL_BIND, nodes: [C] });
}

export function touched(task: Task, start = 0): number {
  let done = 0;
  for (let vpn = start; vpn < start + PAGES; vpn++) if (task.write(vpn) === 'ok') done++;
  return done;
}

/** A task of a group that has written so many pages. */
export function grouped(
  machine: Machine,
  pages: number,
): { readonly task: Task; readonly group: Group } {
  const task = machine.createTask('task');
  const group = makeGroup(machine, 'g');
  group.attach(task);
  task.mmap(0, pages);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  machine.folios.lruAddDrainAll();
  return { task, group };
}

/** Shared memory that was written and moved to the node. @returns its task and first page */
export function sharedThere(machine: Machine): { readonly task: Task; readonly first: number } {
  const task = machine.createTask('task');
  const first = shared(machine, task);
  touched(task, first);
  machine.folios.lruAddDrainAll();
  task.movePages(
    vpns(PAGES).map((at) => first + at),
    C,
  );
  return { task, first };
}

/** The service opts out. */
export function optOut({ privateNodes, opsOf }: PrivateLab): void {
  const ops = opsOf.get(C);
  if (ops !== undefined) privateNodes.node_private_clear_ops(C, ops);
}

/** Shared anonymous memory. @returns its first page */
export function shared(machine: Machine, task: Task): number {
  const prot = PROT_READ | PROT_WRITE;
  const args = { addr: 0, length: bytes(PAGES), prot, flags: MAP_SHARED | MAP_ANONYMOUS };
  return machine.sys.mmap.mmap(task.struct, args) / bytes(1);
}
