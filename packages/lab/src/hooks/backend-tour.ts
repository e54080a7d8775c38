import { cxlCompressDevice } from '@mm-lab/backend-cxl-compress';
import { deviceCoherent } from '@mm-lab/backend-device-coherent';
import { zoneDeviceCompress } from '@mm-lab/backend-zone-device';
import { CramToken, cram } from '@mm-lab/cram';
import {
  createMachine,
  diskSwap,
  type HookName,
  MADV_COLD,
  MADV_FREE,
  MADV_MERGEABLE,
  MADV_PAGEOUT,
  type Machine,
  MPOL_BIND,
  PAGE_SIZE,
  type Plugin,
  PROT_READ,
  PROT_WRITE,
  type SiteCount,
  type Task,
} from '@mm-lab/mm-core';
import {
  movingOps,
  type NodePrivate,
  type NodePrivateOps,
  NodePrivateToken,
  NP_OPS_MEMPOLICY,
  NP_OPS_MIGRATION,
  nodePrivate,
  PrivateHotplugToken,
} from '@mm-lab/node-private';

/** What one program made the sites say with one backend. */
export interface BackendTour {
  readonly backend: string;
  readonly sites: readonly SiteCount[];
  /** Calls of each callback that was called. */
  readonly hooks: ReadonlyMap<HookName, number>;
}

const [DRAM, DEVICE] = [0, 1];
/** Pages that are put on the device. */
const RANGE = 64;
const PAGES = 1536;
const RANGE_VPNS = Array.from({ length: RANGE }, (_, vpn) => vpn);
const NODES = [
  { id: DRAM, pages: 1536, cpus: 1 },
  { id: DEVICE, pages: 1024, online: false, movable: true, lineNs: 300 },
];
const MACHINE = { seed: 1, nodes: NODES, sysctl: { demotion_enabled: true } };

/** A machine, and how pages get to its device where the backend does not see to that. */
interface Built {
  readonly machine: Machine;
  readonly place?: (task: Task) => void;
}

const BACKENDS: Readonly<Record<string, () => Built>> = {
  none: () => ({ machine: createMachine(MACHINE, [nodePrivate(), swap()]) }),
  'no ops': () => withOps(null),
  'bind only': () => withOps(NP_OPS_MIGRATION | NP_OPS_MEMPOLICY),
  CRAM: withCram,
  coherent: () => {
    const driver = deviceCoherent({ nid: DEVICE });
    const machine = createMachine(MACHINE, [nodePrivate(), driver, swap()]);
    return { machine, place: (task) => driver.migrateToDevice(task.mm, 0, RANGE) };
  },
  ZONE_DEVICE: () => ({
    machine: createMachine(MACHINE, [
      cxlCompressDevice({ name: 'cxl0', logicalPages: 1024, capacityBytes: 1024 * PAGE_SIZE }),
      zoneDeviceCompress({ device: 'cxl0', nid: DEVICE }),
      swap(),
    ]),
  }),
};

/**
 * Runs one program, which uses as many services of mm as it can, on every backend. What a backend
 * refuses, it refuses.
 */
export function tourBackends(): readonly BackendTour[] {
  return Object.entries(BACKENDS).map(([backend, build]) => {
    const built = build();
    run(built);
    const { machine } = built;
    machine.verify();
    return { backend, sites: machine.sites.report(), hooks: machine.managed.hookCalls() };
  });
}

function run({ machine, place }: Built): void {
  const task = machine.createTask('program');
  task.mmap(0, PAGES);
  for (const vpn of RANGE_VPNS) task.write(vpn);
  place?.(task);
  for (let vpn = RANGE; vpn < PAGES; vpn++) task.write(vpn);
  machine.sleep(1e9);
  for (let vpn = 0; vpn < PAGES; vpn += 7) task.read(vpn);
  task.where(RANGE_VPNS);
  bind(machine, task);
  task.mprotect(0, RANGE, PROT_READ);
  task.mprotect(0, RANGE, PROT_READ | PROT_WRITE);
  for (const advice of [MADV_MERGEABLE, MADV_COLD, MADV_FREE]) task.madvise(0, RANGE, advice);
  task.mlock(0, RANGE / 4);
  task.munlock(0, RANGE / 4);
  const child = task.fork('child');
  if (typeof child !== 'number') {
    for (let vpn = 0; vpn < RANGE / 2; vpn++) child.write(vpn);
    child.exit();
  }
  for (const vpn of RANGE_VPNS) task.write(vpn);
  place?.(task);
  task.pinLongterm(RANGE - 1);
  task.madvise(0, RANGE, MADV_PAGEOUT);
  machine.pseudoFiles.write(`/sys/devices/system/node/node${DEVICE}/compact`, '1');
  task.movePages(RANGE_VPNS, DRAM);
  task.munmap(0, PAGES / 2);
  task.exit();
}

function bind(machine: Machine, task: Task): void {
  const mask = { nodes: [DEVICE], maxnode: 64 };
  machine.work.runAs(task.struct);
  const range = { start: 0, len: RANGE * PAGE_SIZE };
  machine.sys.mbind.mbind(task.struct, { ...range, mode: MPOL_BIND, mask, flags: 0 });
  machine.spend();
}

/** A node with these opt-ins, or with none; pages get there by an opt-in to migration meanwhile. */
function withOps(flags: number | null): Built {
  const found: { nodes?: NodePrivate; moving?: ReturnType<typeof movingOps> } = {};
  const driver: Plugin = {
    name: 'driver',
    probe(services) {
      found.nodes = services.get(NodePrivateToken);
      found.moving = movingOps(services);
      const hotplug = services.get(PrivateHotplugToken);
      hotplug.add_private_memory_driver_managed(DEVICE, { name: 'driver' }, null);
    },
  };
  const machine = createMachine(MACHINE, [nodePrivate(), swap(), driver]);
  const ops: NodePrivateOps | null = flags === null ? null : { flags, ...found.moving };
  const meanwhile: NodePrivateOps = { flags: NP_OPS_MIGRATION, ...found.moving };
  const set = (wanted: NodePrivateOps | null): void => {
    if (wanted === null) found.nodes?.node_private_clear_ops(DEVICE, meanwhile);
    else found.nodes?.node_private_set_ops(DEVICE, wanted);
  };
  if (ops !== null) set(ops);
  machine.tiers.refresh();
  const place = (task: Task): void => {
    set(meanwhile);
    task.movePages(RANGE_VPNS, DEVICE);
    set(ops);
  };
  return { machine, place };
}

function withCram(): Built {
  const driver: Plugin = {
    name: 'driver',
    probe(services) {
      const hotplug = services.get(PrivateHotplugToken);
      hotplug.add_private_memory_driver_managed(DEVICE, { name: 'driver' }, null);
      services.get(CramToken).cram_register_private_node(DEVICE, driver, null);
    },
  };
  const machine = createMachine(MACHINE, [nodePrivate(), cram(), swap(), driver]);
  return { machine, place: (task) => task.movePages(RANGE_VPNS, DEVICE) };
}

function swap(): Plugin {
  return diskSwap({ pages: 4096 });
}
