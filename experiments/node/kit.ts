/**
 * What the experiments of this folder share: a machine with ordinary and private nodes, and a
 * driver that serves a private node with the flags and callbacks it is told to.
 */
import type { ResultsView } from '@mm-lab/lab';
import {
  __GFP_THISNODE,
  CGROUP_FOLDER,
  createMachine,
  errnoName,
  type HookName,
  type Kswapd,
  KswapdToken,
  type Machine,
  type MachineConfig,
  MemoryTiersToken,
  mustSucceed,
  type NodeConfig,
  PAGE_SIZE,
  type Plugin,
  PTE_PRESENT,
  type Task,
  type Warnings,
  WarningsToken,
} from '@mm-lab/mm-core';
import {
  movingOps,
  type NodePrivate,
  type NodePrivateOps,
  type NodePrivateOptions,
  NodePrivateToken,
  NP_OPS_MIGRATION,
  nodePrivate,
  type PrivateHotplug,
  PrivateHotplugToken,
} from '@mm-lab/node-private';

/** Name of the driver's plugin. */
const DRIVER = 'driver';

/** How a driver serves one private node. */
export interface Service {
  readonly nid: number;
  /** NP_OPS_* bits; null: the node is registered and online, and nobody sets ops. */
  readonly flags: number | null;
  /** NODE_PRIVATE_CAP_* bits, for the profile `v5-caps`; `flags` is null then. */
  readonly caps?: number;
  /** Callbacks beside `migrate_to` and `folio_migrate`, or instead of them. */
  readonly ops?: Omit<NodePrivateOps, 'flags'>;
}

export interface LabOptions {
  readonly nodes: readonly NodeConfig[];
  /** Nodes to plug as private memory, in this order. */
  readonly services?: readonly Service[];
  readonly distances?: readonly (readonly number[])[];
  readonly sysctl?: MachineConfig['sysctl'];
  readonly nodePrivate?: NodePrivateOptions;
  /** Plugins behind `nodePrivate()`. */
  readonly plugins?: readonly Plugin[];
}

export interface PrivateLab {
  readonly machine: Machine;
  readonly privateNodes: NodePrivate;
  readonly hotplug: PrivateHotplug;
  /** The two callbacks that any driver needs for migration. */
  readonly moving: Omit<NodePrivateOps, 'flags'>;
  /** Ops of a private node as they were set. */
  readonly opsOf: ReadonlyMap<number, NodePrivateOps>;
  /** Starts a node's kswapd, as its service may. */
  startKswapd(nid: number): void;
  /** Complaints of the kernel (WARN) so far. */
  warned(): number;
  /** Calls of a callback so far, over all nodes. */
  calls(hook: HookName): number;
}

/** A machine with its private nodes plugged and served. */
export function privateLab(options: LabOptions): PrivateLab {
  const found: {
    privateNodes?: NodePrivate;
    hotplug?: PrivateHotplug;
    warnings?: Warnings;
    kswapd?: Kswapd;
    moving?: Omit<NodePrivateOps, 'flags'>;
  } = {};
  const opsOf = new Map<number, NodePrivateOps>();
  const driver: Plugin = {
    name: DRIVER,
    probe(services) {
      found.privateNodes = services.get(NodePrivateToken);
      found.hotplug = services.get(PrivateHotplugToken);
      found.moving = movingOps(services);
      found.warnings = services.get(WarningsToken);
      found.kswapd = services.get(KswapdToken);
      for (const service of options.services ?? []) {
        const np = { name: `driver of node ${service.nid}`, caps: service.caps ?? 0 };
        mustSucceed(DRIVER, found.hotplug.add_private_memory_driver_managed(service.nid, np, null));
        if (service.flags === null) continue;
        const ops = { ...movingOps(services), ...service.ops, flags: service.flags };
        mustSucceed(DRIVER, found.privateNodes.node_private_set_ops(service.nid, ops));
        opsOf.set(service.nid, ops);
      }
      services.get(MemoryTiersToken).refresh();
    },
  };
  const { nodes, distances, sysctl } = options;
  const machine = createMachine(
    { seed: 1, nodes, ...(distances && { distances }), ...(sysctl && { sysctl }) },
    [nodePrivate(options.nodePrivate), ...(options.plugins ?? []), driver],
  );
  const { privateNodes, hotplug, moving, warnings } = found;
  if (privateNodes === undefined || hotplug === undefined || moving === undefined) {
    throw new Error('the driver did not probe');
  }
  const warned = (): number =>
    [...(warnings?.counts() ?? [])].reduce((sum, [, count]) => sum + count, 0);
  const calls = (hook: HookName): number => machine.managed.hookCalls().get(hook) ?? 0;
  const startKswapd = (nid: number): void => found.kswapd?.start(nid);
  return { machine, privateNodes, hotplug, moving, opsOf, startKswapd, warned, calls };
}

/** mbind(2) of a task's pages. @returns 0 or -errno */
export function bind(
  machine: Machine,
  task: Task,
  { start, pages, mode, nodes }: BindArgs,
): number {
  const mask = { nodes, maxnode: 64 };
  const range = { start: bytes(start), len: bytes(pages) };
  machine.work.runAs(task.struct);
  const rc = machine.sys.mbind.mbind(task.struct, { ...range, mode, mask, flags: 0 });
  machine.spend();
  return rc;
}

/** Which pages, MPOL_* and the nodes of the mask. */
export interface BindArgs {
  readonly start: number;
  readonly pages: number;
  readonly mode: number;
  readonly nodes: readonly number[];
}

/** A task that has mapped and written `pages` pages from page 0 on. */
export function writer(machine: Machine, name: string, pages: number): Task {
  const task = machine.createTask(name);
  task.mmap(0, pages);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  return task;
}

/**
 * Moves a task's first `pages` pages to a private node, whatever flags it has: it opts in to
 * migration meanwhile.
 */
export function placeOn(lab: PrivateLab, task: Task, pages: number, nid: number): void {
  const { privateNodes, machine } = lab;
  const before = privateNodes.opsOf(nid);
  const ops = lab.opsOf.get(nid) ?? lab.moving;
  mustSucceed(DRIVER, privateNodes.node_private_set_ops(nid, { ...ops, flags: NP_OPS_MIGRATION }));
  const vpns = Array.from({ length: pages }, (_, vpn) => vpn);
  const { rc } = task.movePages(vpns, nid);
  const now = privateNodes.opsOf(nid);
  if (before !== null) mustSucceed(DRIVER, privateNodes.node_private_set_ops(nid, before));
  else if (now !== null) mustSucceed(DRIVER, privateNodes.node_private_clear_ops(nid, now));
  const there = vpns.filter((vpn) => nodeOf(machine, task, vpn) === nid).length;
  if (rc !== 0 || there !== pages) throw new Error(`${pages - there} pages did not move: ${rc}`);
}

/** Files of a control group. */
export interface Group {
  attach(task: Task): number;
  /** What echo(1) into the file came to: 0 or -errno. */
  write(file: string, text: string): number;
  read(file: string): string | number;
}

/** Makes a control group with the memory and cpuset controllers. */
export function makeGroup(machine: Machine, name: string): Group {
  const { pseudoFiles } = machine;
  const rc =
    pseudoFiles.write(`${CGROUP_FOLDER}/cgroup.subtree_control`, '+memory +cpuset') ||
    machine.cgroups.mkdir(name);
  if (rc < 0) throw new Error(`there is no group ${name}: ${errnoName(-rc)}`);
  const path = (file: string): string => `${CGROUP_FOLDER}/${name}/${file}`;
  return {
    attach: (task) => pseudoFiles.write(path('cgroup.procs'), String(task.struct.pid)),
    write: (file, text) => pseudoFiles.write(path(file), text),
    read: (file) => pseudoFiles.read(path(file)),
  };
}

/** Takes every free page of an ordinary node, as the kernel's own memory does. @returns how many */
export function fillNode(machine: Machine, nid: number): number {
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  const request = { gfp: __GFP_THISNODE, order: 0, nid, nodemask: null };
  for (;;) {
    const pfn = machine.zoneAlloc.getPageFromFreelist(request, 'none');
    if (pfn < 0) return held.length;
    held.push(pfn);
  }
}

/** Pages of a task's first `pages` on each node, by nid, as its page table says. */
export function residency(
  machine: Machine,
  task: Task,
  pages: number,
): ReadonlyMap<number, number> {
  const found = new Map<number, number>();
  for (let vpn = 0; vpn < pages; vpn++) {
    const nid = nodeOf(machine, task, vpn);
    if (nid < 0) continue;
    found.set(nid, (found.get(nid) ?? 0) + 1);
  }
  return found;
}

/** Node of a task's page as its page table says; -1 if none is present. */
export function nodeOf(machine: Machine, task: Task, vpn: number): number {
  const slot = machine.ptes.find(task.mm.id, vpn);
  const bits = slot < 0 ? 0 : (machine.ptes.bits[slot] ?? 0);
  if ((bits & PTE_PRESENT) === 0 || slot < 0) return -1;
  return machine.nodes.nidOf(machine.ptes.value[slot] ?? 0);
}

/** `0`, a count, or the name of an error. */
export function outcome(rc: number): string | number {
  return rc < 0 ? errnoName(-rc) : rc;
}

/** Bytes of so many pages. */
export function bytes(pages: number): number {
  return pages * PAGE_SIZE;
}

/**
 * Is the column `model` what the column `kernel` says? `–` in the latter: it was not asked.
 */
export function agreesWithKernel(results: ResultsView, table: string): boolean {
  const model = results.column(table, 'model');
  const kernel = results.column(table, 'kernel');
  const asked = kernel.filter((fact) => fact !== '–').length;
  return asked > 0 && kernel.every((fact, at) => fact === '–' || fact === model[at]);
}
