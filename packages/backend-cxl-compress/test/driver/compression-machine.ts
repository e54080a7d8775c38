import { cram } from '@mm-lab/cram';
import type { Machine, Task } from '@mm-lab/mm-core';
import { nodePrivate } from '@mm-lab/node-private';
import { contentsOf } from '@mm-lab/testkit';
import {
  type CompressionOptions,
  type CxlCompressDevice,
  type CxlCompressOptions,
  cxlCompression,
} from '../../src/index.js';
import { DEVICE, DRAM, deviceMachineOf, removalOf } from './device-machine.js';

export { DEVICE, DRAM };
export const NS_PER_MS = 1e6;

/** Every page takes 1 KiB. */
const data = contentsOf({
  keyOf: (vpn) => 1 + vpn,
  render: (key, out) => out.fill(key),
  compressedSize: () => 1024,
});

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
  const { machine, device } = deviceMachineOf({
    drivers: [
      data,
      nodePrivate({ reclaimFrees: 'mended' }),
      cram(),
      cxlCompression({ nid: DEVICE, ...options.driver }),
    ],
    device: options.device ?? {},
    cpus: options.cpus ?? 1,
  });
  return {
    machine,
    device,
    stat: (name) => machine.stats()[name] ?? Number.NaN,
    resident: (pages) => residentOf(machine, pages),
    remove: () => removalOf(machine),
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
