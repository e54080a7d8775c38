import { cram } from '@mm-lab/cram';
import {
  createMachine,
  deviceToken,
  type Machine,
  MmError,
  PageData,
  type Plugin,
  type Task,
} from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import {
  type CompressionOptions,
  CxlCompressDevice,
  type CxlCompressOptions,
  cxlCompressDevice,
  cxlCompression,
} from '../../src/index.js';

export const DRAM = 0;
export const DEVICE = 1;
export const NS_PER_MS = 1e6;
const PAGES = 1024;

/** Every page takes 1 KiB. */
const data: Plugin = {
  name: 'data',
  register(services) {
    const sizes: PageData = {
      keyOf: (vpn) => 1 + vpn,
      render: (key, out) => out.fill(key),
      compressedSize: () => 1024,
    };
    services.bindValue(PageData, sizes);
  },
};

/** What a test may choose. */
export interface CompressionMachineOptions {
  readonly driver?: Partial<CompressionOptions>;
  readonly device?: Partial<CxlCompressOptions>;
  readonly cpus?: number;
}

/** A machine whose node 1 is a compressing device under its driver. */
export interface CompressionMachine {
  readonly machine: Machine;
  readonly device: CxlCompressDevice;
  stat(name: string): number;
  /** A task with so many pages on the device. */
  resident(pages: number): Task;
  /** Undoes the plugins. @returns '' or what was refused */
  remove(): string;
}

/** The level's helper. */
export function machineOf(options: CompressionMachineOptions = {}): CompressionMachine {
  const found: CxlCompressDevice[] = [];
  const peek: Plugin = {
    name: 'peek',
    probe(services) {
      const device = services.get(deviceToken('cxl0'));
      if (device instanceof CxlCompressDevice) found.push(device);
    },
  };
  const nodes = [
    { id: DRAM, pages: PAGES, cpus: options.cpus ?? 1 },
    { id: DEVICE, pages: PAGES, online: false },
  ];
  const machine = createMachine({ seed: 1, nodes, sysctl: { demotion_enabled: true } }, [
    data,
    nodePrivate({ reclaimFrees: 'mended' }),
    cram(),
    cxlCompressDevice({ logicalPages: PAGES, capacityBytes: PAGES * 4096, ...options.device }),
    cxlCompression({ nid: DEVICE, ...options.driver }),
    peek,
  ]);
  const [device] = found;
  if (device === undefined) throw new Error('the plugin binds its device');
  return {
    machine,
    device,
    stat: (name) => machine.stats()[name] ?? Number.NaN,
    resident: (pages) => residentOf(machine, pages),
    remove: () => removeOf(machine),
  };
}

function residentOf(machine: Machine, pages: number): Task {
  const task = machine.createTask('resident');
  task.mmap(0, pages);
  for (let vpn = 0; vpn < pages; vpn++) task.write(vpn);
  const { rc } = task.movePages([...Array(pages).keys()], DEVICE);
  if (rc !== 0) throw new Error(`move_pages: ${rc}`);
  return task;
}

function removeOf(machine: Machine): string {
  try {
    machine.remove();
    return '';
  } catch (error) {
    if (error instanceof MmError) return error.message;
    throw error;
  }
}
