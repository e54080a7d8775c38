import {
  createMachine,
  deviceToken,
  type Machine,
  MmError,
  type NodeConfig,
  type Plugin,
  type Services,
} from '@mm-lab/mm-core';
import { Peek } from '@mm-lab/testkit';
import { CxlCompressDevice, type CxlCompressOptions, cxlCompressDevice } from '../../src/index.js';

export const DRAM = 0;
export const DEVICE = 1;
/** Pages of each node. */
export const PAGES = 1024;

/** What a test says of its machine. */
export interface DeviceMachineOptions {
  /** Its driver, behind the device. */
  readonly drivers: readonly Plugin[];
  readonly device?: Partial<CxlCompressOptions>;
  readonly cpus?: number;
  /** Nodes beside the two. */
  readonly nodes?: readonly NodeConfig[];
}

/** A machine whose node 1 is offline and a compressing device's, and the device. */
export function deviceMachineOf(options: DeviceMachineOptions): {
  readonly machine: Machine;
  readonly device: CxlCompressDevice;
  readonly services: Services;
} {
  const peek = new Peek();
  const nodes = [
    { id: DRAM, pages: PAGES, cpus: options.cpus ?? 1 },
    { id: DEVICE, pages: PAGES, online: false },
    ...(options.nodes ?? []),
  ];
  const machine = createMachine({ seed: 1, nodes, sysctl: { demotion_enabled: true } }, [
    cxlCompressDevice({ logicalPages: PAGES, capacityBytes: PAGES * 4096, ...options.device }),
    ...options.drivers,
    peek,
  ]);
  const { services } = peek;
  const device = services.get(deviceToken('cxl0'));
  if (!(device instanceof CxlCompressDevice)) throw new Error('the plugin binds its device');
  return { machine, device, services };
}

/** Undoes the plugins. @returns the message of the refusal, or '' */
export function removalOf(machine: Machine): string {
  try {
    machine.remove();
    return '';
  } catch (error) {
    if (error instanceof MmError) return error.message;
    throw error;
  }
}
