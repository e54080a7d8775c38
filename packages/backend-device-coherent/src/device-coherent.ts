import {
  assert,
  createToken,
  deviceToken,
  MemoryToken,
  type MmStruct,
  mirrorParts,
  mustSucceed,
  type Plugin,
  PtesToken,
  type Token,
  WorkToken,
} from '@mm-lab/mm-core';
import { CoherentDriver, type MoveResult, type WhenFull } from './coherent-driver.js';
import { CoherentHandle, type HandleParts } from './coherent-handle.js';

/** Coherent device memory on a private node. */
export interface DeviceCoherentOptions {
  /** A node of the machine with `online: false`; its `lineNs` is the latency of the link. */
  readonly nid: number;
  /** Name of a device plugin that backs the memory; default none: plain memory. */
  readonly device?: string;
  /** What happens to pages that find the device full; default 'stay'. */
  readonly whenFull?: WhenFull;
  /** Name of the plugin. Default 'device-coherent'; several drivers need several names. */
  readonly name?: string;
}

/** The plugin, with what its user's ioctl offers. Each call charges the running task. */
export interface DeviceCoherentPlugin extends Plugin {
  /** @see CoherentDriver.migrateToDevice */
  migrateToDevice(mm: MmStruct, start: number, pages: number): MoveResult;
  /** @see CoherentDriver.migrateToSystem */
  migrateToSystem(mm: MmStruct, start: number, pages: number, nid?: number): MoveResult;
  /** Opens the device for an address space. */
  open(mm: MmStruct): CoherentHandle;
}

/**
 * Plugin: what DEVICE_COHERENT users need, on a private node. Needs `nodePrivate()`. `remove`
 * evacuates; it throws MmError NODE_REFUSED if pages have to stay.
 */
export function deviceCoherent(options: DeviceCoherentOptions): DeviceCoherentPlugin {
  const name = options.name ?? 'device-coherent';
  const token: Token<CoherentDriver> = createToken(name);
  let driver: CoherentDriver | null = null;
  let handleParts: HandleParts | null = null;
  const probed = (): CoherentDriver => {
    assert(driver !== null, 'the plugin is part of a machine');
    return driver;
  };
  return {
    name,
    register: (services) => services.bind(token, CoherentDriver),
    probe: (services) => {
      const { device } = options;
      const backing = device === undefined ? null : services.get(deviceToken(device));
      const made = services.get(token);
      const rc = made.probe(options.nid, backing);
      mustSucceed(name, rc);
      made.whenFull = options.whenFull ?? 'stay';
      driver = made;
      handleParts = {
        mirror: mirrorParts(services),
        ptes: services.get(PtesToken),
        memory: services.get(MemoryToken),
        work: services.get(WorkToken),
      };
    },
    remove: () => {
      mustSucceed(name, driver?.remove() ?? 0);
    },
    stats: () => (driver === null ? {} : statsOf(driver)),
    migrateToDevice: (mm, start, pages) => probed().migrateToDevice(mm, start, pages),
    migrateToSystem: (mm, start, pages, nid) => probed().migrateToSystem(mm, start, pages, nid),
    open: (mm) => {
      assert(handleParts !== null, 'the plugin is part of a machine');
      return new CoherentHandle(handleParts, probed(), mm);
    },
  };
}

function statsOf({ counts }: CoherentDriver): Record<string, number> {
  return {
    'device_coherent.moved_in': counts.movedIn,
    'device_coherent.moved_out': counts.movedOut,
    'device_coherent.left': counts.left,
    'device_coherent.evicted': counts.evicted,
    'device_coherent.departed': counts.departed,
    'device_coherent.freed': counts.freed,
  };
}
