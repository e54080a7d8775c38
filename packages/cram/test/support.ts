import {
  createMachine,
  diskSwap,
  type Machine,
  type MachineConfig,
  type Plugin,
  zramSwap,
} from '@mm-lab/mm-core';
import { nodePrivate, type PrivateHotplug, PrivateHotplugToken } from '@mm-lab/node-private';
import {
  type Balloon,
  BalloonToken,
  type Cram,
  type CramMends,
  CramToken,
  cram,
} from '../src/index.js';

export const DRAM = 0;
export const DEVICE = 1;

/** A machine whose node 1 is CRAM's, without a device behind it. */
export interface CramMachine {
  readonly machine: Machine;
  readonly cram: Cram;
  readonly balloon: Balloon;
  readonly hotplug: PrivateHotplug;
  readonly owner: object;
}

/** Sizes and swap of the machine. */
export interface CramOptions {
  readonly dramPages?: number;
  readonly devicePages?: number;
  readonly swapPages?: number;
  /** Default zram, which takes DRAM. */
  readonly swap?: 'zram' | 'disk';
  readonly register?: boolean;
  readonly reclaimFrees?: 'v4' | 'mended';
  readonly sharedMaps?: 'v4' | 'mended';
  readonly bufferedWrites?: 'v4' | 'mended';
  readonly mends?: CramMends;
  readonly sysctl?: MachineConfig['sysctl'];
  /** Plugins behind all others. */
  readonly plugins?: readonly Plugin[];
}

/** The level's helper: a private node with CRAM registered on it. */
export function machineOf(options: CramOptions = {}): CramMachine {
  const found: { cram?: Cram; balloon?: Balloon; hotplug?: PrivateHotplug } = {};
  const owner = { name: 'test' };
  const driver: Plugin = {
    name: 'driver',
    probe(services) {
      found.cram = services.get(CramToken);
      found.balloon = services.get(BalloonToken);
      found.hotplug = services.get(PrivateHotplugToken);
      found.hotplug.add_private_memory_driver_managed(DEVICE, { name: 'test' }, null);
      if (options.register !== false) found.cram.cram_register_private_node(DEVICE, owner, null);
    },
  };
  const swap = options.swapPages ?? 0;
  const machine = createMachine(
    {
      seed: 1,
      nodes: [
        { id: DRAM, pages: options.dramPages ?? 1024, cpus: 1 },
        { id: DEVICE, pages: options.devicePages ?? 1024, online: false, lineNs: 250 },
      ],
      sysctl: { demotion_enabled: true, ...options.sysctl },
    },
    [
      nodePrivate({
        reclaimFrees: options.reclaimFrees ?? 'v4',
        sharedMaps: options.sharedMaps ?? 'v4',
        bufferedWrites: options.bufferedWrites ?? 'v4',
      }),
      cram(options.mends),
      driver,
      ...(swap > 0 ? [swapOf(options.swap ?? 'zram', swap)] : []),
      ...(options.plugins ?? []),
    ],
  );
  const { cram: service, balloon, hotplug } = found;
  if (service === undefined || balloon === undefined || hotplug === undefined) {
    throw new Error('the driver did not probe');
  }
  return { machine, cram: service, balloon, hotplug, owner };
}

function swapOf(kind: 'zram' | 'disk', pages: number): Plugin {
  return kind === 'disk' ? diskSwap({ pages }) : zramSwap({ pages, codec: 'lz4' });
}

/** Takes what is free in DRAM, as the kernel's own memory does. */
export function fillDram(machine: Machine): void {
  const held: number[] = [];
  machine.folios.addHolder(() => held);
  const request = { gfp: 0, order: 0, nid: DRAM, nodemask: null };
  for (;;) {
    const pfn = machine.zoneAlloc.getPageFromFreelist(request, 'none');
    if (pfn < 0) return;
    held.push(pfn);
  }
}
