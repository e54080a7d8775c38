import { assert, type MmStruct, type Plugin } from '@mm-lab/mm-core';
import type { MemoryType } from '../memory-type.js';
import { bindZoneDevice } from '../zone-device-services.js';
import { Dmirror } from './dmirror.js';
import { DmirrorDevice } from './dmirror-device.js';
import { type DmirrorParts, dmirrorParts } from './dmirror-parts.js';

/** DEVMEM_CHUNK_SIZE: 256 MiB. */
const CHUNK_PAGES = 65_536;

/** Units of the test device, in the order of their numbers. */
export interface TestHmmOptions {
  readonly units: readonly {
    readonly type: MemoryType;
    /** Possible node without memory, one for each unit. */
    readonly nid: number;
  }[];
  /** Pages of a chunk; default 256 MiB of them. */
  readonly chunkPages?: number;
}

/** The module: hands out handles of its units. */
export interface TestHmmPlugin extends Plugin {
  /** Opens a unit for an address space (dmirror_fops_open). */
  open(unit: number, mm: MmStruct): Dmirror;
  device(unit: number): DmirrorDevice;
}

/** The kernel's HMM test device (lib/test_hmm.c) as a plugin. */
export function testHmm(options: TestHmmOptions): TestHmmPlugin {
  const devices: DmirrorDevice[] = [];
  const made: DmirrorParts[] = [];
  const chunkPages = options.chunkPages ?? CHUNK_PAGES;
  const device = (unit: number): DmirrorDevice => {
    const found = devices[unit];
    assert(found !== undefined, `the machine has unit ${unit}`);
    return found;
  };
  return {
    name: 'test-hmm',
    register: bindZoneDevice,
    probe: (services) => {
      const parts = dmirrorParts(services);
      made.push(parts);
      for (const [unit, { type, nid }] of options.units.entries()) {
        const name = `hmm_dmirror${unit}`;
        devices.push(new DmirrorDevice(parts, { name, type, nid, chunkPages }));
      }
    },
    remove: () => {
      for (const unit of devices) unit.removeChunks();
    },
    open: (unit, mm) => {
      const [parts] = made;
      assert(parts !== undefined, 'the module is loaded');
      return new Dmirror(parts, device(unit), mm);
    },
    device,
  };
}
