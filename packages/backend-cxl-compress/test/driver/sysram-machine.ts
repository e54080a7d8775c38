import {
  createMachine,
  type Machine,
  MEMORY_BLOCK_PAGES,
  type Plugin,
  type Services,
  ZONE_NORMAL,
} from '@mm-lab/mm-core';
import { nodePrivate, PrivateHotplugToken } from '@mm-lab/node-private';
import { Peek } from '@mm-lab/testkit';
import {
  type CxlRegion,
  CxlSysrams,
  CxlSysramsToken,
  type PrivateSysram,
} from '../../src/index.js';

export const BLOCK = MEMORY_BLOCK_PAGES;
/** A node that can get four memory blocks, and a second one behind it. */
export const NID = 1;
export const OTHER = 2;
export const ROOM = { base: 2 * BLOCK, pages: 4 * BLOCK };

/** A committed RAM region of node 1: its first block, unless something else is said. */
export function regionAt(block: number, other: Partial<CxlRegion> = {}): CxlRegion {
  const hpa = { base: ROOM.base + block * BLOCK, pages: BLOCK };
  return { id: block, hpa, mode: 'ram', targetNode: NID, device: null, ...other };
}

/** A machine with room for CXL regions, and what tests look at. */
export interface SysramMachine {
  readonly machine: Machine;
  readonly services: Services;
  readonly sysrams: CxlSysrams;
  readonly embedded: PrivateSysram;
  readonly ofTheNode: PrivateSysram;
  /** Pages of node 1 that are online. */
  pages(): number;
}

/** The level's helper. */
export function sysramMachineOf(plugins: readonly Plugin[] = []): SysramMachine {
  const peek = new Peek();
  const sysrams: Plugin = {
    name: 'sysrams',
    register: (services) => services.bind(CxlSysramsToken, CxlSysrams),
  };
  const room = (id: number, startPfn: number) => ({
    id,
    pages: 0,
    online: false,
    zones: [{ type: ZONE_NORMAL, startPfn, spanned: ROOM.pages, hotplugged: true }],
  });
  const nodes = [
    { id: 0, pages: 2 * BLOCK, cpus: 1 },
    room(NID, ROOM.base),
    room(OTHER, ROOM.base + ROOM.pages),
  ];
  const machine = createMachine({ seed: 1, nodes }, [nodePrivate(), sysrams, peek, ...plugins]);
  const { services } = peek;
  const hotplug = services.get(PrivateHotplugToken);
  return {
    machine,
    services,
    sysrams: services.get(CxlSysramsToken),
    embedded: { hotplug, np: 'embedded' },
    ofTheNode: { hotplug, np: 'of the node' },
    pages: () => machine.nodes.pgdat(NID).managedPages(),
  };
}
