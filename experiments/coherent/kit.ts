/**
 * What the experiments of this folder share: the ways of having device memory as backends that a
 * program's runtime drives with the same calls, and the traces that come with the workloads.
 */
import {
  type CoherentDriver,
  type CoherentHandle,
  deviceCoherent,
} from '@mm-lab/backend-device-coherent';
import {
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_PRIVATE,
  type MemoryType,
  testHmm,
} from '@mm-lab/backend-zone-device';
import {
  __GFP_COMP,
  __GFP_HIGHMEM,
  __GFP_MOVABLE,
  __GFP_NOWARN,
  __GFP_THISNODE,
  createMachine,
  diskSwap,
  GFP_HIGHUSER_MOVABLE,
  HOOKS,
  type Machine,
  type MachineConfig,
  MmError,
  PageData,
  type Plugin,
  PMD_ORDER,
  pteHoldsPage,
  type Task,
} from '@mm-lab/mm-core';
import { GFP_PRIVATE, NP_OPS_MIGRATION, nodePrivate } from '@mm-lab/node-private';
import {
  capturedPages,
  openTrace,
  type PageCapture,
  type PageTrace,
  readCapture,
  shippedTrace,
} from '@mm-lab/workloads';
import { outcome, type PrivateLab, privateLab } from '../node/kit.ts';

export const [DRAM, DEVICE] = [0, 1];
/** Pages of a huge page. */
export const HUGE = 1 << PMD_ORDER;

const HUGE_GFP = __GFP_HIGHMEM | __GFP_MOVABLE | __GFP_COMP | __GFP_NOWARN | __GFP_THISNODE;

/** How large the machine is. */
export interface LabSize {
  readonly dramPages: number;
  /** A multiple of `HUGE`. */
  readonly devicePages: number;
  readonly sysctl?: MachineConfig['sysctl'];
  /** What pages hold; default incompressible. */
  readonly contents?: PageData;
}

/** A machine with device memory, and what a program's runtime can do with it. */
export interface DeviceLab {
  readonly machine: Machine;
  /** Moves pages of a task to the device. */
  toDevice(task: Task, start: number, pages: number): void;
  /** Huge pages that the device's allocator can hand out now. */
  hugePages(): number;
  /** Evacuates and removes the memory. @returns 0 or the name of an error */
  unplug(): string | number;
}

/** One whose memory others may be made to want. */
export interface WantedLab extends DeviceLab {
  /**
   * Somebody wants that many pages of the device, more than are free: whoever makes room there does
   * so. @returns pages gained
   */
  makeRoom(pages: number): number;
  /** Callbacks that the driver has given by now. */
  callbacks(): number;
}

/** One way of having device memory. */
export interface DeviceBackend<Lab extends DeviceLab = DeviceLab> {
  readonly name: string;
  /** Name of its driver in docs/driver-burden.md; none: nobody wrote one. */
  readonly driver?: string;
  readonly build: (size: LabSize) => Lab;
}

/** Node 1 as ordinary memory: the bound that special memory is compared with. */
export const ORDINARY: DeviceBackend<WantedLab> = {
  name: 'N_MEMORY',
  build: (size) => {
    const nodes = nodesOf(size).map((node) => ({ ...node, online: true }));
    const machine = machineOf(size, [], { nodes });
    return {
      machine,
      toDevice: byMovePages(machine),
      hugePages: () => hugePagesOf(machine, 0),
      makeRoom: (pages) => takePages(machine, GFP_HIGHUSER_MOVABLE, pages),
      callbacks: () => callbacksOf(machine),
      unplug: () => outcome(machine.hotplug.offlinePages(DEVICE)),
    };
  },
};

/** A private node whose program moves pages itself. @param flags NP_OPS_*, with MIGRATION */
export function privateNodeBackend(name: string, flags: number): DeviceBackend<WantedLab> {
  return {
    name,
    build: (size) => {
      const lab: PrivateLab = privateLab({
        nodes: nodesOf(size),
        services: [{ nid: DEVICE, flags }],
        sysctl: { ...size.sysctl },
        plugins: [contents(size), swap()],
      });
      const { machine, hotplug } = lab;
      return {
        machine,
        toDevice: byMovePages(machine),
        hugePages: () => hugePagesOf(machine, GFP_PRIVATE),
        makeRoom: (pages) => takePages(machine, GFP_HIGHUSER_MOVABLE | GFP_PRIVATE, pages),
        callbacks: () => callbacksOf(machine),
        unplug: () => outcome(hotplug.offline_and_remove_private_memory(DEVICE)),
      };
    },
  };
}

export const COHERENT = coherentBackend('device-coherent', (driver) => driver.evict());

/** The same driver, which fills holes and moves zero pages, as migrate_vma does. */
export const COHERENT_FILLED: DeviceBackend<WantedLab> = {
  ...COHERENT,
  name: 'device-coherent, holes too',
  build: (size) => coherentLab(size, (driver) => driver.evict(), 'holes too'),
};

/** The same driver, which looks for pages that nobody used before it moves any out. */
export const COHERENT_COLD = coherentBackend('device-coherent, cold first', (driver, pages) =>
  driver.evictCold(pages),
);

type Evict = (driver: CoherentDriver, pages: number) => void;

function coherentBackend(name: string, evict: Evict): DeviceBackend<WantedLab> {
  const build = (size: LabSize): WantedLab => coherentLab(size, evict, 'mapped pages');
  return { name, driver: 'coherent, private node', build };
}

function coherentLab(size: LabSize, evict: Evict, what: 'mapped pages' | 'holes too'): WantedLab {
  const driver = deviceCoherent({ nid: DEVICE });
  const machine = machineOf(size, [nodePrivate(), driver]);
  return {
    machine,
    toDevice: (task, start, pages) => {
      machine.work.runAs(task.struct);
      if (what === 'mapped pages') driver.migrateToDevice(task.mm, start, pages);
      else
        withHandle(driver.open(task.mm), (handle) => handle.migrateToDevice(start, start + pages));
      machine.spend();
    },
    hugePages: () => hugePagesOf(machine, GFP_PRIVATE),
    makeRoom: (pages) => {
      evict(driver.open(machine.createTask('driver').mm).driver, pages);
      machine.spend();
      return takePages(machine, GFP_HIGHUSER_MOVABLE | GFP_PRIVATE, pages);
    },
    callbacks: () => callbacksOf(machine),
    unplug: () => removed(machine),
  };
}

/** The handle's mirror goes; what it moved stays. */
function withHandle(handle: CoherentHandle, use: (handle: CoherentHandle) => void): void {
  use(handle);
  handle.mirror.close();
}

function zoneDevice(name: string, type: MemoryType): DeviceBackend<WantedLab> {
  return {
    name,
    driver: 'test device, ZONE_DEVICE',
    build: (size) => {
      const chunkPages = type === MEMORY_DEVICE_PRIVATE ? HUGE : size.devicePages;
      const driver = testHmm({ units: [{ type, nid: DEVICE }], chunkPages });
      const machine = machineOf(size, [driver]);
      return {
        machine,
        toDevice: (task, start, pages) => {
          machine.work.runAs(task.struct);
          const handle = driver.open(0, task.mm);
          handle.migrateToDevice(start, start + pages);
          handle.mirror.close();
          machine.spend();
        },
        hugePages: () => {
          const task = machine.createTask('asks');
          const handle = driver.open(0, task.mm);
          const taken: number[] = [];
          for (let at = 0; at < size.devicePages / HUGE; at++) {
            const folio = driver.device(0).alloc(handle, PMD_ORDER);
            if (folio >= 0) taken.push(folio);
          }
          for (const folio of taken) {
            machine.folios.unlock(folio);
            machine.folios.put(folio);
          }
          handle.mirror.close();
          task.exit();
          return taken.length;
        },
        makeRoom: (pages) => {
          machine.work.runAs(machine.createTask('driver').struct);
          driver.device(0).evict();
          machine.spend();
          return Math.min(pages, driver.device(0).freeCount());
        },
        callbacks: () => Object.keys(driver.device(0).chunks[0]?.pagemap.ops ?? {}).length,
        unplug: () => removed(machine),
      };
    },
  };
}

export const DEVICE_COHERENT = zoneDevice('DEVICE_COHERENT', MEMORY_DEVICE_COHERENT);
export const DEVICE_PRIVATE = zoneDevice('DEVICE_PRIVATE', MEMORY_DEVICE_PRIVATE);

/** Ordinary memory, two ways on a private node, and two of ZONE_DEVICE. */
export const BACKENDS: readonly DeviceBackend<WantedLab>[] = [
  ORDINARY,
  privateNodeBackend('private node', NP_OPS_MIGRATION),
  COHERENT,
  DEVICE_COHERENT,
  DEVICE_PRIVATE,
];

/** A recorded run that comes with the workloads. */
export interface Recorded {
  readonly trace: PageTrace;
  readonly capture: PageCapture;
}

/** @param limitRows rows to read; default all */
export async function recorded(name: string, limitRows = Infinity): Promise<Recorded> {
  const files = shippedTrace(name);
  const limit = Number.isFinite(limitRows) ? { limitRows } : {};
  return { trace: await openTrace(files.trace, limit), capture: await readCapture(files) };
}

/** What the pages of a recorded run hold. */
export function pagesOf({ capture }: Recorded): PageData {
  return capturedPages(capture, { seed: 1 });
}

/** The areas of a task, in pages. */
export function areasOf(task: Task): readonly { readonly start: number; readonly pages: number }[] {
  return task.mm.vmas.map(({ start, end }) => ({ start, pages: end - start }));
}

/** Pages of the task, or of a range of it, that are on the device now. */
export function onDevice(machine: Machine, task: Task, start = 0, end = Infinity): number {
  const { ptes, nodes } = machine;
  let found = 0;
  ptes.walk(task.mm.id, start, end, (slot) => {
    const holdsPage = pteHoldsPage(ptes.bits[slot] ?? 0);
    if (holdsPage && nodes.nidOf(ptes.value[slot] ?? 0) === DEVICE) found++;
  });
  return found;
}

/** DRAM with a CPU, and the device's node, not online. */
export function nodesOf({ dramPages, devicePages }: LabSize): MachineConfig['nodes'] {
  return [
    { id: DRAM, pages: dramPages, cpus: 1 },
    { id: DEVICE, pages: devicePages, online: false, movable: true, lineNs: 300 },
  ];
}

/** A machine of that size with a disk to swap to. */
export function machineOf(
  size: LabSize,
  plugins: readonly Plugin[],
  config: Partial<MachineConfig> = {},
): Machine {
  const sizes = { seed: 1, nodes: nodesOf(size), sysctl: { ...size.sysctl } };
  return createMachine({ ...sizes, ...config }, [contents(size), ...plugins, swap()]);
}

function contents({ contents: data }: LabSize): Plugin {
  return {
    name: 'contents',
    register: (services) => {
      if (data !== undefined) services.bindValue(PageData, data);
    },
  };
}

function swap(): Plugin {
  return diskSwap({ pages: 16_384 });
}

/** Callbacks of the driver of a private node. */
function callbacksOf({ managed }: Machine): number {
  const owner = managed.nodeOwner(DEVICE);
  return Object.values(HOOKS).filter(({ name }) => owner?.has(name)).length;
}

/** Moves pages to the device by move_pages(2), those that are there. */
export function byMovePages({ ptes }: Machine): DeviceLab['toDevice'] {
  return (task, start, pages) => {
    const mapped: number[] = [];
    ptes.walk(task.mm.id, start, start + pages, (slot, vpn) => {
      if (ptes.bits[slot] !== 0) mapped.push(vpn);
    });
    task.movePages(mapped, DEVICE);
  };
}

/** Takes every huge page that the buddy allocator has on the device, and gives them back. */
export function hugePagesOf(machine: Machine, gfp: number): number {
  const taken: number[] = [];
  machine.folios.lruAddDrainAll();
  machine.zoneAlloc.drainAllPages();
  const request = { gfp: gfp | HUGE_GFP, order: PMD_ORDER, nid: DEVICE, nodemask: null };
  for (;;) {
    const folio = machine.zoneAlloc.getPageFromFreelist(request, 'none');
    if (folio < 0) break;
    taken.push(folio);
  }
  for (const folio of taken) machine.folios.put(folio);
  return taken.length;
}

/** Takes pages of the device until there are no more, with all the reclaim that this brings. */
function takePages(machine: Machine, gfp: number, pages: number): number {
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  const request = { gfp: gfp | __GFP_THISNODE, order: 0, nid: DEVICE, nodemask: null };
  while (held.length < pages) {
    const pfn = machine.pageAlloc.alloc(request);
    if (pfn < 0) break;
    held.push(pfn);
  }
  machine.spend();
  return held.length;
}

export function removed(machine: Machine): string | number {
  try {
    machine.remove();
    return 0;
  } catch (error) {
    if (!(error instanceof MmError)) throw error;
    return error.message.includes('EBUSY') ? 'EBUSY' : error.code;
  }
}
