import type { MachineConfig } from '@mm-lab/mm-core';
import { isArray, type Json, type JsonObject, listAt, numberAt, objectAt } from './json.js';

const PAGES_PER_MIB = 256;

/** A machine of the header of a file of system calls. */
export function syscallMachine(machine: JsonObject): MachineConfig {
  const movable = numbersOf(machine.movable ?? []);
  const adistances = objectAt(machine, 'abstract_distance');
  return {
    seed: 1,
    sysctl: { thp_enabled: 'madvise' },
    nodes: listAt(machine, 'nodes').map((node) => {
      const id = numberAt(node, 'id');
      const adistance = numberAt(adistances, String(id));
      return {
        id,
        pages: numberAt(node, 'mib') * PAGES_PER_MIB,
        cpus: listAt(node, 'cpus').length,
        movable: movable.includes(id),
        ...(adistance > 0 ? { adistance } : {}),
      };
    }),
    distances: listAt(machine, 'distance').map(numbersOf),
  };
}

function numbersOf(row: Json): number[] {
  return isArray(row) ? row.filter((item) => typeof item === 'number') : [];
}
