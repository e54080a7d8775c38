/**
 * One machine with device memory under one of three mechanisms, a program whose pages are there,
 * and what a service may look at.
 */
import {
  type Dmirror,
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_PRIVATE,
  type MemoryType,
  type Memremap,
  MemremapToken,
  MIGRATE_VMA_SELECT_DEVICE_COHERENT,
  MIGRATE_VMA_SELECT_DEVICE_PRIVATE,
  type MigrateVma,
  MigrateVmaToken,
  migrateVmaArgs,
  type TestHmmPlugin,
  testHmm,
} from '@mm-lab/backend-zone-device';
import {
  createMachine,
  diskSwap,
  type HookName,
  type HugeMemory,
  HugeMemoryToken,
  type Machine,
  type MachineConfig,
  type Plugin,
  PMD_ORDER,
  pteHoldsPage,
  type Services,
  type Task,
} from '@mm-lab/mm-core';
import { type NodePrivateOps, NP_OPS_MIGRATION } from '@mm-lab/node-private';
import { placeOn, privateLab } from '../../node/kit.ts';

export const [DRAM, DEVICE] = [0, 1];
/** Pages of the program, all of them on the device when a service begins. */
export const PAGES = 16;
/** Pages of a huge page. */
export const HUGE = 1 << PMD_ORDER;
const DRAM_PAGES = 8192;
const DEVICE_PAGES = 16 * HUGE;

/** What the memory of a machine is. */
export type Mechanism = 'N_MEMORY' | 'DEVICE_PRIVATE' | 'DEVICE_COHERENT' | 'N_MEMORY_PRIVATE';

/** How a service wants its machine. */
export interface BenchOptions {
  readonly sysctl?: MachineConfig['sysctl'];
  /** Flags and callbacks of the private node; the others have no such thing. */
  readonly flags?: number;
  readonly ops?: Omit<NodePrivateOps, 'flags'>;
}

export interface Bench {
  readonly mechanism: Mechanism;
  readonly machine: Machine;
  readonly task: Task;
  readonly huge: HugeMemory;
  /** Puts the first pages of a task on the device as the mechanism's own driver does. */
  toDevice(task: Task, pages: number): void;
  /** Removal of the memory, its driver moving nothing first. @returns 0 or -errno */
  unplug(): number;
  /** Calls of a callback of the driver. */
  calls(hook: HookName): number;
  /** A driver's look at pages, without a fault. @returns 'own', 'ordinary', 'nothing' by page */
  snapshot(start: number, pages: number): readonly string[];
  /** Takes a page for the device alone. @returns 0 or -errno */
  makeExclusive(vpn: number): number;
  /** Entries that migrate_vma_setup collects for the device's owner, of the first pages. */
  collect(pages: number): number;
}

const NODES = [
  { id: DRAM, pages: DRAM_PAGES, cpus: 1 },
  { id: DEVICE, pages: DEVICE_PAGES, online: false, lineNs: 300 },
];

const MIRROR_NODE = { id: 2, pages: HUGE, online: false };

/** A machine of a mechanism; its program has not mapped anything. */
export function benchOf(mechanism: Mechanism, options: BenchOptions = {}): Bench {
  if (mechanism === 'N_MEMORY') return ordinaryNode(options);
  if (mechanism === 'N_MEMORY_PRIVATE') return privateNode(options);
  const type = mechanism === 'DEVICE_PRIVATE' ? MEMORY_DEVICE_PRIVATE : MEMORY_DEVICE_COHERENT;
  return zoneDevice(mechanism, type, options);
}

interface Found {
  huge?: HugeMemory;
  memremap?: Memremap;
  migrateVma?: MigrateVma;
}

/** Catches what a service needs from the container. */
function peek(found: Found): Plugin {
  return {
    name: 'peek',
    probe: (services: Services) => {
      found.huge = services.get(HugeMemoryToken);
      found.memremap = services.get(MemremapToken);
      found.migrateVma = services.get(MigrateVmaToken);
    },
  };
}

function zoneDevice(mechanism: Mechanism, type: MemoryType, options: BenchOptions): Bench {
  const found: Found = {};
  // A private device adds chunks, one of them for huge folios; a coherent one has a single chunk.
  const chunkPages = type === MEMORY_DEVICE_PRIVATE ? DEVICE_PAGES / 4 : DEVICE_PAGES;
  const driver = testHmm({ units: [{ type, nid: DEVICE }], chunkPages });
  const machine = createMachine({ seed: 1, nodes: NODES, sysctl: { ...options.sysctl } }, [
    driver,
    diskSwap({ pages: 4096 }),
    peek(found),
  ]);
  return {
    ...mirrored(machine, driver, found),
    mechanism,
    toDevice: (of, pages) => {
      machine.work.runAs(of.struct);
      driver.open(0, of.mm).migrateToDevice(0, pages);
      machine.spend();
    },
    unplug: () => {
      const [chunk] = driver.device(0).chunks;
      return given(found.memremap).memunmapPages(given(chunk).pagemap);
    },
    calls: (hook) => machine.managed.hookCalls().get(hook) ?? 0,
  };
}

function privateNode({ sysctl, flags, ops }: BenchOptions): Bench {
  const found: Found = {};
  const mirror = bareMirror();
  const lab = privateLab({
    nodes: [...NODES, MIRROR_NODE],
    services: [{ nid: DEVICE, flags: flags ?? null, ...(ops && { ops }) }],
    ...(sysctl && { sysctl }),
    plugins: [diskSwap({ pages: 4096 }), mirror, peek(found)],
  });
  const { machine, hotplug } = lab;
  return {
    ...mirrored(machine, mirror, found),
    mechanism: 'N_MEMORY_PRIVATE',
    toDevice: (of, pages) => {
      const mayMove = ((flags ?? 0) & NP_OPS_MIGRATION) !== 0;
      if (mayMove) of.movePages(firstPages(pages), DEVICE);
      else placeOn(lab, of, pages, DEVICE);
    },
    unplug: () => hotplug.offline_and_remove_private_memory(DEVICE),
    calls: (hook) => lab.calls(hook),
  };
}

/** Node 1 as ordinary memory: what every service comes to where nothing is special. */
function ordinaryNode({ sysctl }: BenchOptions): Bench {
  const found: Found = {};
  const mirror = bareMirror();
  const nodes = [...NODES.map((node) => ({ ...node, online: true })), MIRROR_NODE];
  const machine = createMachine({ seed: 1, nodes, sysctl: { ...sysctl } }, [
    mirror,
    diskSwap({ pages: 4096 }),
    peek(found),
  ]);
  return {
    ...mirrored(machine, mirror, found),
    mechanism: 'N_MEMORY',
    toDevice: (of, pages) => {
      of.movePages(firstPages(pages), DEVICE);
    },
    unplug: () => machine.hotplug.offlinePages(DEVICE),
    calls: () => 0,
  };
}

/** The mirror is a library that any driver may use; this device has no memory in use. */
function bareMirror(): TestHmmPlugin {
  const { id } = MIRROR_NODE;
  return testHmm({ units: [{ type: MEMORY_DEVICE_PRIVATE, nid: id }], chunkPages: HUGE });
}

/** What a device without memory of its own sees and does. */
function mirrored(
  machine: Machine,
  mirror: TestHmmPlugin,
  found: Found,
): Pick<Bench, 'machine' | 'task' | 'huge' | 'snapshot' | 'makeExclusive' | 'collect'> {
  const task = machine.createTask('program');
  const open = (): Dmirror => mirror.open(0, task.mm);
  return {
    machine,
    task,
    huge: given(found.huge),
    snapshot: (start, pages) => {
      const bytes = open().snapshot(start, start + pages);
      return typeof bytes === 'number' ? [] : bytes.map(wordOf);
    },
    makeExclusive: (vpn) => open().mirror.makeExclusive(vpn, vpn + 1).rc,
    collect: (pages) => collect(given(found.migrateVma), task, mirror.device(0), pages),
  };
}

function firstPages(pages: number): readonly number[] {
  return [...Array(pages).keys()];
}

function collect(migrateVma: MigrateVma, task: Task, owner: object, pages: number): number {
  const flags = MIGRATE_VMA_SELECT_DEVICE_PRIVATE | MIGRATE_VMA_SELECT_DEVICE_COHERENT;
  const args = migrateVmaArgs({ mm: task.mm, start: 0, end: pages, owner, flags });
  migrateVma.setup(args);
  const { cpages } = args;
  migrateVma.finalize(args);
  return cpages;
}

/** A program whose pages are on the device when the service begins. */
export function residentOf(
  mechanism: Mechanism,
  options: BenchOptions = {},
  { pages = PAGES, extra = 0 } = {},
): Bench {
  const bench = benchOf(mechanism, options);
  fill(bench.task, pages, extra);
  bench.toDevice(bench.task, pages);
  return bench;
}

/** Maps and writes the first pages of a task. */
export function fill(task: Task, pages: number, extra = 0): void {
  task.mmap(0, pages, undefined, extra);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
}

/** Where the page of an address is. */
export function where({ machine }: Bench, task: Task, vpn: number): string {
  const { ptes, nodes } = machine;
  const slot = ptes.find(task.mm.id, vpn);
  const bits = slot < 0 ? 0 : (ptes.bits[slot] ?? 0);
  if (bits === 0) return 'nothing';
  if (!pteHoldsPage(bits)) return 'swap';
  return nodes.nidOf(ptes.value[slot] ?? 0) === DEVICE ? 'device' : 'RAM';
}

/** Pages of the program in each place, as `16 device` or `8 device, 8 RAM`. */
export function places(bench: Bench, task: Task, pages = PAGES): string {
  const count = new Map<string, number>();
  for (let vpn = 0; vpn < pages; vpn++) {
    const place = where(bench, task, vpn);
    count.set(place, (count.get(place) ?? 0) + 1);
  }
  return [...count].map(([place, found]) => `${found} ${place}`).join(', ');
}

/** The frame of an address. */
export function frameOf({ machine }: Bench, task: Task, vpn: number): number {
  machine.folios.lruAddDrainAll();
  return machine.ptes.value[machine.ptes.find(task.mm.id, vpn)] ?? -1;
}

/** What a driver's look at a page says, in words. */
function wordOf(byte: number): string {
  if ((byte & DEVICE_MARKS) !== 0) return 'own';
  return byte === 0 ? 'nothing' : 'ordinary';
}

function given<T>(value: T | undefined): T {
  if (value === undefined) throw new Error('the plugin was not probed');
  return value;
}

const DEVICE_MARKS = 0x60;
