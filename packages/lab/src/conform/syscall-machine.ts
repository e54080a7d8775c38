import type { MachineConfig } from '@mm-lab/mm-core';
import { isArray, type Json, type JsonObject, listAt, numberAt } from './json.js';

const PAGES_PER_MIB = 256;

/** A machine of the header of a file of system calls. */
export function syscallMachine(machine: JsonObject): MachineConfig {
  return {
    seed: 1,
    nodes: listAt(machine, 'nodes').map((node) => ({
      id: numberAt(node, 'id'),
      pages: numberAt(node, 'mib') * PAGES_PER_MIB,
      cpus: listAt(node, 'cpus').length,
    })),
    distances: listAt(machine, 'distance').map(numbersOf),
  };
}

function numbersOf(row: Json): number[] {
  return isArray(row) ? row.filter((item) => typeof item === 'number') : [];
}
