import {
  MEMORY_DEVICE_COHERENT,
  MEMORY_DEVICE_PRIVATE,
  type MemoryType,
} from '@mm-lab/backend-zone-device';
import type { MachineConfig, NodeConfig } from '@mm-lab/mm-core';
import { type JsonObject, textAt } from '../json.js';

/** A unit of the test device: what its memory is, and the node whose pages it takes. */
export interface HmmUnit {
  readonly type: MemoryType;
  readonly nid: number;
}

/** Room of a private unit: chunks of 256 MiB are added on demand. */
const PRIVATE_PAGES = 8 * 65_536;
const COHERENT_PAGES = 65_536;

/**
 * Adds the memory of the test device to a machine: a possible node for each unit. Coherent units
 * exist if the module was given their addresses.
 */
export function withHmmUnits(
  config: MachineConfig,
  description: JsonObject,
): { readonly config: MachineConfig; readonly units: readonly HmmUnit[] } {
  const hasCoherent = textAt(description, 'hmm').includes('spm_addr');
  return addHmmUnits(config, hasCoherent ? 4 : 2);
}

/** The first two units are private, the others coherent. */
export function addHmmUnits(
  config: MachineConfig,
  count: number,
): { readonly config: MachineConfig; readonly units: readonly HmmUnit[] } {
  const first = Math.max(...config.nodes.map(({ id }) => id)) + 1;
  const units = Array.from({ length: count }, (_, unit): HmmUnit => {
    const type = unit < 2 ? MEMORY_DEVICE_PRIVATE : MEMORY_DEVICE_COHERENT;
    return { type, nid: first + unit };
  });
  const nodes = units.map(({ nid, type }): NodeConfig => {
    const pages = type === MEMORY_DEVICE_PRIVATE ? PRIVATE_PAGES : COHERENT_PAGES;
    return { id: nid, pages, online: false };
  });
  return {
    config: { ...config, nodes: [...config.nodes, ...nodes], ...distances(config, count) },
    units,
  };
}

/** Devices are as far from everything as Linux assumes of a node that nothing is known of. */
function distances(config: MachineConfig, count: number): Pick<MachineConfig, 'distances'> {
  if (config.distances === undefined) return {};
  const size = config.nodes.length + count;
  const rows = Array.from({ length: size }, (_, from) =>
    Array.from({ length: size }, (_to, to) => {
      return config.distances?.[from]?.[to] ?? (from === to ? LOCAL_DISTANCE : REMOTE_DISTANCE);
    }),
  );
  return { distances: rows };
}

const LOCAL_DISTANCE = 10;
const REMOTE_DISTANCE = 20;
