import type { AccessCoordinate, MachineConfig } from '@mm-lab/mm-core';
import { isArray, type Json, type JsonObject, listAt, numberAt, objectAt } from './json.js';

const PAGES_PER_MIB = 256;

/** A machine of the header of a file of system calls. */
export function syscallMachine(machine: JsonObject): MachineConfig {
  const movable = numbersOf(machine.movable ?? []);
  const adistances = objectAt(machine, 'abstract_distance');
  return {
    seed: 1,
    sysctl: { lru_gen: 7, thp_enabled: 'madvise' },
    nodes: listAt(machine, 'nodes').map((node) => {
      const id = numberAt(node, 'id');
      const adistance = numberAt(adistances, String(id));
      return {
        id,
        pages: numberAt(node, 'mib') * PAGES_PER_MIB,
        cpus: listAt(node, 'cpus').length,
        movable: movable.includes(id),
        ...(adistance > 0 ? { adistance } : {}),
        ...perfOf(machine, id, listAt(node, 'cpus').length > 0),
      };
    }),
    distances: listAt(machine, 'distance').map(numbersOf),
  };
}

/** What HMAT says of a node as its nearest CPUs see it, if the machine has one. */
function perfOf(
  machine: JsonObject,
  id: number,
  hasCpu: boolean,
): { readonly perf?: AccessCoordinate } {
  const hmat = objectAt(machine, 'hmat');
  const bandwidths = objectAt(hmat, 'bandwidth_MBps');
  const bandwidth = numberAt(bandwidths, hasCpu ? 'local_dram' : 'slow');
  const suffix = `-${id}`;
  const latencies = Object.entries(objectAt(hmat, 'read_write_latency_ns'))
    .filter(([pair]) => pair.endsWith(suffix))
    .map(([, latency]) => Number(latency));
  if (bandwidth === 0 || latencies.length === 0) return {};
  const latency = Math.min(...latencies);
  return {
    perf: {
      read_latency: latency,
      write_latency: latency,
      read_bandwidth: bandwidth,
      write_bandwidth: bandwidth,
    },
  };
}

function numbersOf(row: Json): number[] {
  return isArray(row) ? row.filter((item) => typeof item === 'number') : [];
}
