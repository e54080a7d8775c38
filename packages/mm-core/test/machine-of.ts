import {
  createMachine,
  GFP_KERNEL,
  isMigrationType,
  type Machine,
  type MachineConfig,
  MIGRATE_ASYNC,
  MR_DEMOTION,
  type NodeConfig,
  PG_anon_exclusive,
  type Plugin,
  PTE_DIRTY,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_SPECIAL,
  PTE_SWP_EXCLUSIVE,
  PTE_TYPE_HWPOISON,
  PTE_TYPE_MIGRATION_WRITE,
  PTE_TYPE_SWAP,
  PTE_WRITE,
  pteMapsPage,
  pteType,
  type Task,
} from '../src/index.js';

/** What a test says of its machine; the rest is one node of 4 MiB with a CPU. */
export interface MachineOptions {
  readonly nodes?: readonly NodeConfig[];
  readonly distances?: MachineConfig['distances'];
  readonly sysctl?: MachineConfig['sysctl'];
  readonly plugins?: readonly Plugin[];
  readonly zswap?: MachineConfig['zswap'];
}

/** A machine for a test. */
export function machineOf(options: MachineOptions = {}): Machine {
  const { nodes = [{ id: 0, pages: 1024, cpus: 1 }], plugins = [], distances } = options;
  const { sysctl = {}, zswap = {} } = options;
  const given = distances === undefined ? {} : { distances };
  const config = { seed: 1, nodes, sysctl, zswap, ...given };
  return createMachine(config, plugins);
}

/** Two nodes: fast memory with a CPU and slower memory without. */
export function twoTiers(fastPages: number, slowPages: number): readonly NodeConfig[] {
  return [
    { id: 0, pages: fastPages, cpus: 1, lineNs: 100 },
    { id: 1, pages: slowPages, lineNs: 250 },
  ];
}

/** A page-table entry in words, such as `rw dirty exclusive @0`. */
export function entryOf(machine: Machine, task: Task, vpn: number): string {
  const slot = machine.ptes.find(task.mm.id, vpn);
  const bits = slot < 0 ? 0 : machine.ptes.bits[slot]!;
  if (bits === 0) return 'none';
  return pteMapsPage(bits) ? mapping(machine, slot, bits) : nonPresent(bits);
}

/** Entries of neighbouring pages. */
export function entriesOf(machine: Machine, task: Task, start: number, count: number): string[] {
  return Array.from({ length: count }, (_, at) => entryOf(machine, task, start + at));
}

/** Frame behind a mapped page. */
export function pfnOf(machine: Machine, task: Task, vpn: number): number {
  const slot = machine.ptes.find(task.mm.id, vpn);
  if (slot < 0 || !pteMapsPage(machine.ptes.bits[slot]!)) throw new Error(`${vpn} is not mapped`);
  return machine.ptes.value[slot]!;
}

/** Lost, stale and leaked contents so far: a sound machine has none. */
export function wrongContents(machine: Machine): number {
  const { lostPages, staleReads, leakedPages } = machine.engine.shadow.counts;
  return lostPages + staleReads + leakedPages;
}

/** The counters among `names` that are not zero. */
export function counted(machine: Machine, ...names: readonly string[]): Record<string, number> {
  const all: Record<string, number> = machine.vmstat();
  return Object.fromEntries(names.map((name) => [name, all[name] ?? 0]));
}

/** Moves a folio to node 1 from inside an event, as kswapd does; its entries stand for a while. */
export function moveInBackground(machine: Machine, folio: number): void {
  machine.clock.after(0, () => {
    machine.folios.isolateLru(folio);
    machine.migrate.migratePages([folio], {
      mode: MIGRATE_ASYNC,
      reason: MR_DEMOTION,
      newFolio: () =>
        machine.zoneAlloc.alloc({ gfp: GFP_KERNEL, order: 0, nid: 1, nodemask: null }),
    });
    machine.work.take();
  });
  machine.clock.advance(0);
}

function mapping(machine: Machine, slot: number, bits: number): string {
  const pfn = machine.ptes.value[slot]!;
  const special = (bits & PTE_SPECIAL) !== 0;
  const words = [
    (bits & PTE_PROTNONE) !== 0 ? 'protnone' : '',
    (bits & PTE_PRESENT) !== 0 ? ((bits & PTE_WRITE) !== 0 ? 'rw' : 'ro') : '',
    special ? 'zero' : '',
    (bits & PTE_DIRTY) !== 0 ? 'dirty' : '',
    !special && machine.table.has(pfn, PG_anon_exclusive) ? 'exclusive' : '',
    special ? '' : `@${machine.nodes.nidOf(pfn)}`,
  ];
  return words.filter((word) => word !== '').join(' ');
}

function nonPresent(bits: number): string {
  const type = pteType(bits);
  if (type === PTE_TYPE_SWAP) return (bits & PTE_SWP_EXCLUSIVE) !== 0 ? 'swap exclusive' : 'swap';
  if (type === PTE_TYPE_HWPOISON) return 'hwpoison';
  if (!isMigrationType(type)) return `plugin ${type}`;
  return type === PTE_TYPE_MIGRATION_WRITE ? 'migration write' : 'migration read';
}
